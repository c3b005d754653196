"""Events within a step, for the lanes of :mod:`attrax.integrators.drivers`: found, recorded, carried out.

The zeros of a polynomial in Bernstein form are isolated by Descartes' rule of signs: as many zeros in an interval, or
an even number fewer, as the coefficients there change sign. Intervals with more than one are halved (de Casteljau).
"""

from __future__ import annotations

from math import copysign, inf

from numba.extending import register_jitable

from ..engine.memory import at, call, doubles, lowest
from .fields import (
    AFTER,
    BEGIN,
    BERNSTEIN,
    DONE,
    DUE,
    END,
    EVENT,
    FIRED,
    FLAG,
    GAP,
    GOLD,
    GONE,
    GONE_RATE,
    GTHETA,
    HIGH,
    HOLD,
    KICK,
    LANDS,
    LAST,
    LOW,
    MOVED,
    NOISE,
    OVER,
    PASSAGES,
    RATE,
    RESET,
    RESIDUAL,
    RESOLVED,
    RISING,
    STOP,
    T_END,
    T_START,
    TERMINAL,
    THETA,
    TINY,
    TOLD,
    WHEN,
    WHICH,
    WIDEST,
    YTHETA,
    ZENO,
    G,
    T,
    Y,
)

IDLE, FLAGGED, FRESH, KNOWN, STANDING = 0.0, 1.0, 2.0, 3.0, 4.0
"""What the field FLAG says of a lane: nothing to do; there may be events in its step; they may lie between BEGIN and
END; the polynomials there are known; the lane stands at an event, and others may follow at the same time."""

TIE = 2.0**-40
"""Fraction of a step within which events are at the same time."""
NARROWEST = 2.0**-45
"""Fraction of an interval within which zeros are not told apart."""
SHORTEST = 2.0**-14
"""Fraction of a step below which a polynomial is taken as it is."""
FAINT = 2.0**-20
"""Over the largest coefficient, below which one is zero where the polynomial begins at zero."""
SMALL = 1e-12
"""Below this, over its values in the step, an event function is zero where an event has just happened; so it is where
it changes by no more within the resolution of time."""
ALL = 3.0
"""AFTER which there are no more events in an interval."""
DENSE, FALLEN, NOW = 2.0**-22, 2.0**-12, 2.0**-48
"""Accumulation: a time between events below DENSE of the time elapsed, and below FALLEN of what it was before it began
to fall; or, as far as numbers tell, none."""


@register_jitable
def begin_search(work, field, lane):
    """Look for events from the beginning of the step of a lane."""
    for name, value in ((FLAG, FRESH), (BEGIN, 0.0), (END, 1.0), (AFTER, -1.0), (LAST, -1.0), (OVER, 0.0)):
        work[field[name] + lane] = value


@register_jitable
def settle_passages(work, slot, pending, how):
    """The same as :func:`settle` for lanes that have begun no search, where no event acts on the trajectory.

    Most steps hold one passage, or none, which the signs of the polynomials tell.
    """
    kernels, field, _, dimension, direction = how[:5]
    width, room, logged = how[2], how[20], how[19]
    passages, flag = at(work, field[PASSAGES]), at(work, field[FLAG])
    which, ytheta = at(work, field[WHICH]), at(work, field[YTHETA])
    if flag[lowest(pending)] != IDLE or logged[0] + width > room:
        call(kernels[1], work, work, pending, 0)
        return settle(work, slot, pending, how)
    begin, end = at(work, field[BEGIN]), at(work, field[END])
    for lane in range(width):
        begin[lane], end[lane] = 0.0, 1.0
    call(kernels[1], work, work, pending, 0)
    found, unclear = call(kernels[3], work, work, pending, 0) & pending, 0
    _refine(kernels[5], work, found)
    while found != 0:
        lane = lowest(found)
        found &= found - 1
        if passages[lane] == 1.0:
            _record(lane, int(which[lane]), slot[lane], _time(work, field, lane, direction), ytheta, how)
        else:
            begin_search(work, field, lane)
            unclear |= 1 << lane
    return settle(work, slot, unclear, how) if unclear != 0 else 0


@register_jitable
def _refine(refine, work, open):
    """Lead lanes to the zeros that they are near to."""
    rounds = 0
    while open != 0 and rounds < 60:
        open &= call(refine, work, work, open, 0)
        rounds += 1


@register_jitable
def _time(work, field, lane, direction):
    """The time at THETA of the step of a lane."""
    t, theta = work[field[T] + lane], work[field[THETA] + lane]
    when = work[field[TOLD] + lane] + theta * work[field[HOLD] + lane]
    return t if direction * (when - t) > 0.0 or theta == 1.0 else when


@register_jitable(inline="always")
def _record(lane, e, member, when, state, how):
    """Record event ``e``, in the log if its column is full; returns whether there are as many as are asked for."""
    _, _, width, dimension, direction = how[:5]
    _, _, row, record_from, limits, counts, log, entries, state_too, logged = how[10:20]
    places, strides, rooms, filed = how[22:]
    count, length = e + member * row[1], 1 + state_too * dimension
    if direction * (when - record_from[0]) < 0.0:
        return False
    counts[count] += 1
    entry = at(log, logged[0] * length)
    entry[0] = when
    for j in range(state_too * dimension):
        entry[1 + j] = state[j * width + lane]
    column = at(doubles(places[e]), member * length)
    if not file_one(entry, length, direction, column, strides[e], rooms[e], limits[e], at(filed, count)):
        entries[2 * logged[0]], entries[2 * logged[0] + 1] = member, e
        logged[0] += 1
    return counts[count] >= limits[e]


@register_jitable
def file_one(entry, length, direction, column, stride, room, limit, filed):
    """Put an event into its ``column``, behind those before it in time; of more than the limit the first remain.

    Rows of the column lie ``stride`` apart. Returns whether there was room.
    """
    count = filed[0]
    if count == room and room < limit:
        return False
    if count < limit:
        filed[0] += 1
    elif direction * (column[(count - 1) * stride] - entry[0]) > 0.0:
        count -= 1
    else:
        return True
    while count > 0 and direction * (column[(count - 1) * stride] - entry[0]) > 0.0:
        for j in range(length):
            column[count * stride + j] = column[(count - 1) * stride + j]
        count -= 1
    for j in range(length):
        column[count * stride + j] = entry[j]
    return True


@register_jitable
def settle(work, slot, pending, how):
    """Work off the events of the steps of the lanes in ``pending``; returns the lanes that are not finished.

    Their dense output is prepared. Those are left over only when the log is full. A lane that is finished is at the end
    of its step, or at the first event in it that changes the state or ends the trajectory, or has the ending ``over``.
    """
    kernels, field, width, dimension, direction, events, degree, acting, sides, actions = how[:10]
    schedule, scheduled, row, logged, room, scratch = how[10], how[11], how[12], how[19], how[20], how[21]
    polynomials, land, refine = kernels[3], kernels[4], kernels[5]
    t, y, g, rate = at(work, field[T]), at(work, field[Y]), at(work, field[G]), at(work, field[RATE])
    gold = at(work, field[GOLD])
    flag, begin, end = at(work, field[FLAG]), at(work, field[BEGIN]), at(work, field[END])
    after, last, over = at(work, field[AFTER]), at(work, field[LAST]), at(work, field[OVER])
    stop, kick, due = at(work, field[STOP]), at(work, field[KICK]), at(work, field[DUE])
    theta, ytheta, gtheta = at(work, field[THETA]), at(work, field[YTHETA]), at(work, field[GTHETA])
    which, when, lands = at(work, field[WHICH]), at(work, field[WHEN]), at(work, field[LANDS])
    gone, gone_rate = at(work, field[GONE]), at(work, field[GONE_RATE])
    fired, gap, widest = at(work, field[FIRED]), at(work, field[GAP]), at(work, field[WIDEST])
    bernstein, residual = at(work, field[BERNSTEIN]), at(work, field[RESIDUAL])
    low, high = at(work, field[LOW]), at(work, field[HIGH])
    passages, rising, moved = at(work, field[PASSAGES]), at(work, field[RISING]), at(work, field[MOVED])

    while pending != 0 and logged[0] + width <= room:
        fresh = 0
        bits = pending
        while bits != 0:
            lane = lowest(bits)
            bits &= bits - 1
            if flag[lane] == FRESH:
                fresh |= 1 << lane
        if fresh != 0:
            call(polynomials, work, work, fresh, 0)
        clear = 0
        while fresh != 0:
            lane = lowest(fresh)
            fresh &= fresh - 1
            flag[lane] = KNOWN
            if passages[lane] < 2.0 and begin[lane] == 0.0 and end[lane] == 1.0 and after[lane] < 0.0:
                clear |= 1 << lane
                continue
            for e in range(events):
                c = at(bernstein, e * (degree + 1) * width + lane)
                largest = 0.0
                for i in range(degree + 1):
                    largest = max(largest, abs(c[i * width]))
                if residual[e * width + lane] > RESOLVED * largest and end[lane] - begin[lane] > SHORTEST:
                    flag[lane] = FRESH
            if flag[lane] == FRESH:
                end[lane] = 0.5 * (begin[lane] + end[lane])

        found = landing = 0
        bits = pending
        while bits != 0:
            lane = lowest(bits)
            bits &= bits - 1
            if clear >> lane & 1:
                e, after[lane] = int(which[lane]) if passages[lane] == 1.0 else -1, ALL
            elif flag[lane] == KNOWN and after[lane] == ALL:
                after[lane], e = -1.0, -1
            elif flag[lane] == KNOWN:
                e = _next(
                    *(lane, width, events, degree, sides, bernstein, gold, g, begin, end, after, last),
                    *(theta, low, high, rising, moved, scratch),
                )
            if flag[lane] == KNOWN:
                if e >= 0:
                    which[lane] = e
                    found |= 1 << lane
                elif end[lane] == 1.0 and not acting:
                    flag[lane] = IDLE
                    pending &= ~(1 << lane)
                elif end[lane] < 1.0:
                    span = end[lane] - begin[lane]
                    begin[lane] = end[lane]
                    end[lane] = min(1.0, begin[lane] + 2.0 * span)
                    flag[lane] = FRESH
                else:
                    flag[lane] = STANDING
            elif flag[lane] == STANDING:
                e = _now(lane, width, events, due, t, kick, schedule, scheduled, row, slot[lane])
                if e < 0:
                    flag[lane] = IDLE
                    pending &= ~(1 << lane)
                    continue
                which[lane], when[lane] = e, t[lane]
                landing |= 1 << lane

        _refine(refine, work, found)
        bits = found | landing
        while bits != 0:
            lane = lowest(bits)
            bits &= bits - 1
            e, member = int(which[lane]), slot[lane]
            if found >> lane & 1:
                e = _earlier(lane, e, width, sides, actions, gtheta, gold, g, rate, t)
                which[lane] = e
                when[lane] = _time(work, field, lane, direction)
            else:
                for j in range(dimension):
                    ytheta[j * width + lane] = y[j * width + lane]
            if _record(lane, e, member, when[lane], ytheta, how) and acting:
                over[lane] = 1 + DONE
            if actions[e] & TERMINAL:
                over[lane] = 1 + EVENT
            if actions[e] & RESET and e < events:
                _crowd(lane, e, width, when, fired, gap, widest, work[field[T_START]], over)
            if actions[e] != 0:
                landing |= 1 << lane
            elif over[lane] != 0.0 or (not acting and clear >> lane & 1):
                flag[lane] = IDLE
                pending &= ~(1 << lane)
                landing &= ~(1 << lane)

        if landing != 0:
            for lane in range(width):
                lands[lane] = landing >> lane & 1
                for k in range(events):
                    i = k * width + lane
                    if lands[lane] != 0.0:
                        gold[i] = copysign(max(abs(gold[i]), abs(g[i])), gold[i])
                    residual[i] = g[i]
            call(land, work, work, landing, 0)
        while landing != 0:
            lane = lowest(landing)
            landing &= landing - 1
            e = int(which[lane])
            if e >= events:
                kick[lane] += 1.0
                stop[lane] = next_stop(schedule, row, slot[lane], kick[lane], work[field[T_END]], direction)
            for k in range(events):
                i = k * width + lane
                zero = SMALL * abs(gold[i]) + NOW * abs(t[lane]) * max(abs(rate[i]), abs(gone_rate[i]))
                small = abs(g[i]) <= zero
                if flag[lane] == STANDING:
                    side = _sign(residual[i])
                elif abs(gone[i]) > zero:
                    side = _sign(gone[i])
                elif k == e:
                    small = small or abs(g[i]) <= 4.0 * abs(gone[i])
                    side = 0.0
                elif actions[k] != 0:
                    side = _sign(gold[i])
                else:
                    side = _sign(gone_rate[i] if k < e else -gone_rate[i])
                if k == e:
                    due[i] = 0.0
                    g[i] = copysign(TINY, rate[i]) if small and rate[i] != 0.0 else 0.0 if small else g[i]
                elif small:
                    g[i] = TINY * side
                elif side * g[i] < 0.0 and sides[k] * g[i] >= 0.0:
                    due[i] = _sign(g[i])
                elif due[i] * g[i] < 0.0:
                    due[i] = 0.0
            flag[lane] = STANDING
            if over[lane] != 0.0:
                flag[lane] = IDLE
                pending &= ~(1 << lane)

    bits = pending
    while bits != 0:
        lane = lowest(bits)
        bits &= bits - 1
        if flag[lane] == KNOWN:
            flag[lane] = FRESH
    return pending


@register_jitable
def _earlier(lane, e, width, sides, actions, gtheta, gold, g, rate, t):
    """The first in their order of the events that change the state at the same time as event ``e``."""
    if actions[e] != 0:
        for k in range(e):
            i = k * width + lane
            away = abs(gold[i]) > TINY and sides[k] * gold[i] <= 0.0 and gold[i] * g[i] <= 0.0
            zero = SMALL * max(abs(gold[i]), abs(g[i])) + NOW * abs(t[lane] * rate[i])
            if actions[k] != 0 and away and abs(gtheta[i]) <= zero:
                return k
    return e


@register_jitable
def next_stop(schedule, row, member, kick, t_end, direction):
    """Where steps must end: at the next timed event, or at the last time."""
    time = schedule[member * row[0] + int(kick)]
    return time if direction * (t_end - time) >= 0.0 else t_end


@register_jitable
def kicked(schedule, row, member, kick, t):
    """Whether a timed event comes at this time."""
    return schedule[member * row[0] + int(kick)] == t


@register_jitable
def _now(lane, width, events, due, t, kick, schedule, scheduled, row, member):
    """The event that is due where a lane stands; -1 if there is none."""
    for e in range(events):
        if due[e * width + lane] != 0.0:
            return e
    if kicked(schedule, row, member, kick[lane], t[lane]):
        return scheduled[member * row[0] + int(kick[lane])]
    return -1


@register_jitable
def _crowd(lane, e, width, when, fired, gap, widest, t_start, over):
    """Recognise that an event happens faster and faster, so that infinitely many accumulate."""
    i = e * width + lane
    elapsed = abs(when[lane] - t_start)
    wait = abs(when[lane] - fired[i])
    if not (wait < gap[i] < inf) and wait > NOW * elapsed:
        widest[i] = wait
    gap[i], fired[i] = wait, when[lane]
    if wait <= DENSE * elapsed and wait <= max(FALLEN * widest[i], NOW * elapsed):
        over[lane] = 1 + ZENO


@register_jitable
def _sign(value):
    return 1.0 if value > 0.0 else -1.0 if value < 0.0 else 0.0


@register_jitable
def _next(
    lane,
    width,
    events,
    degree,
    sides,
    bernstein,
    gold,
    g,
    begin,
    end,
    after,
    last,
    theta,
    low,
    high,
    rising,
    moved,
    scratch,
):
    """The next event within BEGIN and END of a lane, -1 if there is none, which lies near THETA in LOW and HIGH."""
    out, stack = at(scratch, 0), at(scratch, 8)
    best, place, possible = -1, 2.0, 0
    for e in range(events):
        c = at(bernstein, e * (degree + 1) * width + lane)
        lowest_one = highest = 0.0
        for i in range(degree + 1):
            stack[i] = c[i * width]
            lowest_one, highest = min(lowest_one, stack[i]), max(highest, stack[i])
        if begin[lane] == 0.0:
            lowest_one, highest = min(lowest_one, gold[e * width + lane]), max(highest, gold[e * width + lane])
        if end[lane] == 1.0:
            lowest_one, highest = min(lowest_one, g[e * width + lane]), max(highest, g[e * width + lane])
            if g[e * width + lane] == 0.0:
                lowest_one, highest = -TINY, TINY
        if lowest_one == 0.0 or highest == 0.0:
            continue
        largest = max(highest, -lowest_one)
        for i in range(1, degree):
            if abs(stack[i]) <= NOISE * largest:
                stack[i] = 0.0
        if begin[lane] == 0.0:
            stack[0] = gold[e * width + lane]
            i = 1
            while abs(stack[0]) <= TINY and i < degree and abs(stack[i]) <= FAINT * largest:
                stack[i] = 0.0
                i += 1
        if end[lane] == 1.0:
            stack[degree] = g[e * width + lane]
        stack[degree + 1], stack[degree + 2] = begin[lane], end[lane]
        least = after[lane] if e == last[lane] else after[lane] - TIE if e > last[lane] else after[lane] + TIE
        found = first_zero(stack, degree, sides[e], least, e == last[lane], out)
        possible += int(out[5]) if sides[e] == 0 else (int(out[5]) + 1) // 2
        if found and out[0] < place - TIE:
            best, place = e, out[0]
            theta[lane], low[lane], high[lane], rising[lane], moved[lane] = out[0], out[1], out[2], out[4], 1.0
    if best >= 0:
        after[lane], last[lane] = place, best
    if possible == 1 and best >= 0:
        after[lane] = ALL
    return best


@register_jitable
def first_zero(stack, degree, side, least, strict, out):
    """The first zero of a polynomial where it passes to the right side, from ``least`` on.

    ``stack`` holds its coefficients and the interval, and has room for the halves. Sets ``out`` to the zero, the
    interval that isolates it, and the sign behind it (number 4).
    """
    size, level = degree + 3, 0
    out[5] = -1.0
    while level >= 0:
        c = at(stack, level * size)
        left, right = c[degree + 1], c[degree + 2]
        changes, first, final = 0, 0.0, 0.0
        for i in range(degree + 1):
            if c[i] != 0.0:
                if final == 0.0:
                    first = c[i]
                elif (c[i] < 0.0) != (final < 0.0):
                    changes += 1
                final = c[i]
        if c[degree] == 0.0 and final != 0.0:  # it arrives at zero
            changes, final = changes + 1, -final
        if out[5] < 0.0:
            out[5] = changes
        if changes == 0 or right < least:
            level -= 1
        elif changes == 1 or right - left <= NARROWEST:
            level -= 1
            if (first < 0.0) != (final < 0.0) and side * final >= 0.0:
                out[4] = 1.0 if final > 0.0 else -1.0
                out[0] = left + (right - left) * _zero(c, degree, out)
                if out[0] > least or (out[0] == least and not strict):
                    out[1], out[2] = left, right
                    return True
        else:
            half, middle = at(c, size), 0.5 * (left + right)
            half[0] = c[0]
            for r in range(1, degree + 1):
                for i in range(degree + 1 - r):
                    c[i] = 0.5 * (c[i] + c[i + 1])
                half[r] = c[0]
            c[degree + 1] = half[degree + 2] = middle
            half[degree + 1] = left
            level += 1
    return False


@register_jitable
def _zero(c, degree, out):
    """The zero in [0, 1] of a polynomial that changes sign there once, to ``out[4]``; sets ``out[3]`` to the slope."""
    rising, inner = out[4], at(c, degree + 3)
    i = 0
    while i < degree and c[i] * rising <= 0.0:
        i += 1
    before, behind = c[max(i - 1, 0)], c[i]
    x = (i - 1 + before / (before - behind)) / degree if i > 0 and before != behind else 0.5
    low, high = 0.0, 1.0
    if degree == 1:
        out[3] = c[1] - c[0]
        return x
    for _ in range(60):
        for i in range(degree):
            inner[i] = c[i] + x * (c[i + 1] - c[i])
        for r in range(degree - 1, 1, -1):
            for i in range(r):
                inner[i] += x * (inner[i + 1] - inner[i])
        out[3] = degree * (inner[1] - inner[0])
        value = inner[0] + x * (inner[1] - inner[0])
        if value * rising < 0.0:
            low = x
        else:
            high = x
        new = x - value / out[3] if out[3] != 0.0 else -1.0
        if not low <= new <= high:
            new = 0.5 * (low + high)
        enough = abs(new - x) <= 2.0**-24 or high - low <= 2.0**-51
        x = new
        if value == 0.0 or enough:
            break
    return x
