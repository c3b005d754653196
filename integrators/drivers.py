"""The loops around the kernels of :mod:`attrax.integrators.explicit`, compiled by numba (see `engine.driver`).

``adaptive`` advances an ensemble through lanes that are refilled: what a member takes along from call to call
(its *column*) is copied into a lane when it enters and back when it leaves, bit by bit, so that a member's result
does not depend on its lane, on its company, or on how often the run was paused.
"""

from __future__ import annotations

from math import inf, nan

from numba.extending import register_jitable

from ..engine.memory import Doubles, Integers, at, call, doubles, lowest
from .event_drivers import FLAGGED, IDLE, STANDING, begin_search, file_one, kicked, next_stop, settle, settle_passages
from .fields import (
    DONE,
    FLAG,
    HOLD,
    INDEX,
    KICK,
    LANE_P,
    LANE_THETA,
    LANE_Y,
    LANE_YTHETA,
    NONFINITE,
    OVER,
    PAUSED,
    RUNNING,
    SAMPLE,
    SAMPLE_TIME,
    STEPS,
    STOP,
    STRIDES,
    STUCK,
    T_END,
    THETA,
    TOLD,
    TOO_MANY_STEPS,
    YTHETA,
    T,
    Y,
)


def begin(
    start: int,
    work: Doubles,
    width: int,
    rows: Integers,
    row_count: int,
    columns: Doubles,
    members: int,
) -> int:
    """First derivative and first step of every member, written into its column."""
    for first in range(0, members, width):
        count = min(width, members - first)
        for lane in range(width):
            _enter(work, lane, rows, row_count, at(columns, (first + min(lane, count - 1)) * row_count))
        call(start, work, work, -1, 0)
        for lane in range(count):
            _leave(work, lane, rows, row_count, at(columns, (first + lane) * row_count))
    return 0


def _advancing(watching):
    """The driver of adaptive steps; without the code for events, which takes long to compile, unless ``watching``."""

    def adaptive(
        kernels: Integers,
        work: Doubles,
        field: Integers,
        width: int,
        dimension: int,
        direction: int,
        rows: Integers,
        row_count: int,
        columns: Doubles,
        status: Integers,
        members: int,
        times: Doubles,
        first_sample: int,
        last_sample: int,
        all_samples: int,
        samples: Doubles,
        events: int,
        degree: int,
        acting: int,
        sides: Integers,
        actions: Integers,
        aside: Doubles,
        aside_slot: Integers,
        taken_rows: Integers,
        taken_count: int,
        queue: Integers,
        limited: int,
        schedule: Doubles,
        scheduled: Integers,
        row: Integers,
        record_from: Doubles,
        limits: Integers,
        counts: Integers,
        log: Doubles,
        entries: Integers,
        state_too: int,
        logged: Integers,
        room: int,
        places: Integers,
        strides: Integers,
        rooms: Integers,
        filed: Integers,
        max_steps: Doubles,
        slot: Integers,
        scratch: Doubles,
        budget: int,
    ) -> int:
        """Advance the members whose status is RUNNING, by at most ``budget`` steps; returns whether some are left.

        A member is DONE when it arrives at the end or has recorded as many of an event as its limit, PAUSED when it has
        delivered the samples up to ``last_sample`` and there are more. Samples go to
        ``samples[member, sample - first_sample]``, ``times`` begins with that of the first sample and goes up to the
        one after the last. ``kernels`` are step, prepare, interpolate, polynomials and land.

        There may be ``events`` to be located, and others at the times ``schedule``. Where none acts on the trajectory,
        steps in which they may lie are put ``aside`` until all lanes are taken. The times of events (with
        ``state_too``, also the states) go to the columns of the members in the memory of each event at ``places``,
        whose rows lie ``strides`` apart, and which have room for ``rooms`` and hold ``filed``; those that find none go
        to ``log``, numbers of member and event to ``entries``, ``logged`` of them; when there is no ``room`` for more,
        the call ends early.
        """
        step, prepare, interpolate = kernels[0], kernels[1], kernels[2]
        t, y = at(work, field[T]), at(work, field[Y])
        told, hold = at(work, field[TOLD]), at(work, field[HOLD])
        stuck, steps = at(work, field[STUCK]), at(work, field[STEPS])
        sample, sample_time = at(work, field[SAMPLE]), at(work, field[SAMPLE_TIME])
        flag, over = at(work, field[FLAG]), at(work, field[OVER])
        stop, kick = at(work, field[STOP]), at(work, field[KICK])
        theta, ytheta = at(work, field[THETA]), at(work, field[YTHETA])
        t_end = work[field[T_END]]

        everywhere = -1 if width == 64 else (1 << width) - 1
        entering = running = taken = 0
        how = (
            *(kernels, field, width, dimension, direction, events, degree, acting, sides, actions),
            *(schedule, scheduled, row, record_from, limits, counts, log, entries, state_too, logged, room, scratch),
            *(places, strides, rooms, filed),
        )
        flush = queue[0] != 0
        while True:
            attention = 0
            free = everywhere & ~running
            while free != 0:
                while entering < members and status[entering] != RUNNING:
                    entering += 1
                if entering == members:
                    break
                lane = lowest(free)
                free &= free - 1
                slot[lane] = entering
                _enter(work, lane, rows, row_count, at(columns, entering * row_count))
                if watching and acting:
                    stop[lane] = next_stop(schedule, row, entering, kick[lane], t_end, direction)
                running |= 1 << lane
                attention |= 1 << lane
                entering += 1

            if attention == 0 and not flush:
                if running != 0:
                    while attention == 0 and taken < budget:
                        attention = call(step, work, work, running, 0) & running
                        taken += 1
                if attention == 0:
                    if queue[0] == 0:
                        break
                    flush = True
            prepared = 0

            if watching and acting:
                pending = 0
                bits = attention
                while bits != 0:
                    lane = lowest(bits)
                    bits &= bits - 1
                    if flag[lane] == FLAGGED:
                        begin_search(work, field, lane)
                    if flag[lane] == IDLE and kicked(schedule, row, slot[lane], kick[lane], t[lane]):
                        flag[lane] = STANDING
                    if flag[lane] != IDLE:
                        pending |= 1 << lane
                if pending != 0:
                    if events > 0:
                        call(prepare, work, work, pending, 0)
                    if settle(work, slot, pending, how) != 0:
                        break
            elif watching:
                bits, queued, earliest = attention, queue[0], record_from[0]
                while True:
                    while bits != 0 and queued != everywhere and not flush:
                        lane = lowest(bits)
                        bits &= bits - 1
                        if flag[lane] == FLAGGED and direction * (t[lane] - earliest) >= 0.0:
                            place = lowest(~queued)
                            for r in range(taken_count):
                                aside[taken_rows[r] + place] = work[taken_rows[r] + lane]
                            aside_slot[place] = slot[lane]
                            queued |= 1 << place
                        flag[lane] = IDLE
                    if bits == 0 and queued != everywhere and not flush:
                        break
                    queued = settle_passages(aside, aside_slot, queued, how)
                    flush = queued != 0
                    if flush:
                        break
                    if limited:
                        attention |= running
                queue[0] = queued
                if flush:
                    break

            while last_sample > first_sample:
                waiting = 0
                bits = attention
                while bits != 0:
                    lane = lowest(bits)
                    bits &= bits - 1
                    s = int(sample[lane])
                    record = at(samples, (slot[lane] * (last_sample - first_sample) + s - first_sample) * dimension)
                    if s < last_sample and times[s - first_sample] == t[lane]:
                        for j in range(dimension):
                            record[j] = y[j * width + lane]
                        s += 1
                    if s < last_sample and direction * (t[lane] - times[s - first_sample]) >= 0.0:
                        theta[lane] = (times[s - first_sample] - told[lane]) / hold[lane]
                        waiting |= 1 << lane
                    sample[lane] = s
                    sample_time[lane] = times[s - first_sample] if s < all_samples else direction * inf
                if waiting == 0:
                    break
                if prepared == 0:
                    call(prepare, work, work, attention, 0)
                    prepared = 1
                call(interpolate, work, work, waiting, 0)
                bits = waiting
                while bits != 0:
                    lane = lowest(bits)
                    bits &= bits - 1
                    s = int(sample[lane])
                    record = at(samples, (slot[lane] * (last_sample - first_sample) + s - first_sample) * dimension)
                    for j in range(dimension):
                        record[j] = ytheta[j * width + lane]
                    sample[lane] = s + 1

            while attention != 0:
                lane = lowest(attention)
                attention &= attention - 1
                member = slot[lane]
                ending = RUNNING
                complete = False
                for e in range(limited * events):
                    complete = complete or counts[member * row[1] + e] >= limits[e]
                if complete:
                    ending = DONE
                elif acting and over[lane] != 0.0:
                    ending = int(over[lane]) - 1
                elif t[lane] == t_end:
                    ending = DONE
                elif stuck[lane] != 0.0:
                    ending = int(stuck[lane])
                elif steps[lane] >= max_steps[0]:
                    ending = TOO_MANY_STEPS
                if ending in (DONE, RUNNING) and last_sample < all_samples and sample[lane] == last_sample:
                    ending = PAUSED
                if ending != RUNNING:
                    _leave(work, lane, rows, row_count, at(columns, member * row_count))
                    status[member] = ending
                    running &= ~(1 << lane)

        left = int(running != 0 or flush)
        while running != 0:
            lane = lowest(running)
            running &= running - 1
            _leave(work, lane, rows, row_count, at(columns, slot[lane] * row_count))
        return left

    return adaptive


adaptive, unwatched = _advancing(True), _advancing(False)


def file(
    entries: Integers,
    log: Doubles,
    logged: Integers,
    length: int,
    direction: int,
    events: int,
    places: Integers,
    strides: Integers,
    rooms: Integers,
    limits: Integers,
    filed: Integers,
) -> int:
    """Empty the log: each event goes to its member's column in the memory of its kind, where there is room for it."""
    for k in range(logged[0]):
        member, e = entries[2 * k], entries[2 * k + 1]
        column, count = at(doubles(places[e]), member * length), at(filed, member * events + e)
        file_one(at(log, k * length), length, direction, column, strides[e], rooms[e], limits[e], count)
    logged[0] = 0
    return 0


@register_jitable
def _enter(work, lane, rows, row_count, column):
    for r in range(row_count):
        work[rows[r] + lane] = column[r]


@register_jitable
def _leave(work, lane, rows, row_count, column):
    for r in range(row_count):
        column[r] = work[rows[r] + lane]


def steps(
    advance: int,
    sample: int,
    work: Doubles,
    field: Integers,
    width: int,
    dimension: int,
    parameters: int,
    outputs: int,
    state: Doubles,
    p: Doubles,
    status: Integers,
    reached: Integers,
    members: int,
    origin: int,
    first: int,
    every: int,
    records: int,
    nearest: Integers,
    thetas: Doubles,
    out: Doubles,
    row: int,
    offset: int,
    buffer: Doubles,
    buffer_records: int,
    saved: Doubles,
) -> int:
    """Advance members by steps of equal length from step ``first`` on (counted from ``origin``), recording on the way.

    With ``every`` above 0: ``records`` records, ``every`` steps apart, or without ``records``, ``every`` steps. With
    ``every`` 0: a record at fraction ``thetas[r]`` of the step that begins at ``nearest[r]``, for each r. Records go to
    ``out[member, offset + record]``, where a member has room for ``row`` records. A member that becomes infinite or NaN
    gets status NONFINITE and keeps its last finite state, whose step is ``reached``; its records from there on mean
    nothing.
    """
    y, lane_p = at(work, field[LANE_Y]), at(work, field[LANE_P])
    index, strides = at(work, field[INDEX]), at(work, field[STRIDES])
    theta, ytheta = at(work, field[LANE_THETA]), at(work, field[LANE_YTHETA])
    size = dimension * width
    before, after = at(saved, 0), at(saved, size)
    for block in range(0, members, width):
        count = min(width, members - block)
        alive = 0
        for lane in range(width):
            member = block + min(lane, count - 1)
            for j in range(dimension):
                y[j * width + lane] = state[member * dimension + j]
            for j in range(parameters):
                lane_p[j * width + lane] = p[member * parameters + j]
            if lane < count and status[member] == RUNNING:
                alive |= 1 << lane
        index[0] = origin + first
        strides[0], strides[1] = outputs * width, width
        r = 0
        while alive != 0 and r < max(records, 1):
            for i in range(size):
                before[i] = y[i]
            begin = int(index[0])
            chunk = min(buffer_records, records - r) if every > 0 and records > 0 else 1
            bad = call(advance, work, buffer, chunk, every if every > 0 else origin + nearest[r] - begin)
            if records > 0 and every == 0:
                theta[0] = thetas[r]
                if thetas[r] > 0.0:
                    call(sample, work, work, -1, 0)
                for i in range(size):
                    value = ytheta[i] if thetas[r] > 0.0 else y[i]
                    buffer[i] = value if abs(value) < inf else nan
            if records > 0:
                first_record = at(out, (block * row + offset + r) * outputs)
                _transpose(buffer, width, chunk * outputs, first_record, row * outputs, count)
            r += chunk

            bad &= alive
            alive &= ~bad
            if bad != 0:
                end = int(index[0])
                for i in range(size):
                    after[i] = y[i]
                while bad != 0:
                    lane = lowest(bad)
                    bad &= bad - 1
                    member = block + lane
                    status[member] = NONFINITE
                    middle = at(saved, 2 * size)
                    last = _last_finite(advance, work, y, index, buffer, before, middle, size, begin, end, lane)
                    reached[member] = last - origin
                    for j in range(dimension):
                        state[member * dimension + j] = y[j * width + lane]
                for i in range(size):
                    y[i] = after[i]
                index[0] = end
        for lane in range(count):
            if alive >> lane & 1:
                for j in range(dimension):
                    state[(block + lane) * dimension + j] = y[j * width + lane]
    return 0


@register_jitable
def _transpose(source, width, length, target, stride, count):
    """``target[lane * stride + k] = source[k * width + lane]``, by columns of eight: as many as a cache line holds."""
    for first in range(0, count - count % 8, 8):
        rows = at(target, first * stride)
        for lane in range(8):
            row, column = at(rows, lane * stride), at(source, first + lane)
            for k in range(length):
                row[k] = column[k * width]
    for lane in range(count - count % 8, count):
        for k in range(length):
            target[lane * stride + k] = source[k * width + lane]


@register_jitable
def _last_finite(advance, work, y, index, buffer, before, middle, size, begin, end, lane):
    """By bisection, the last step from ``begin`` at which a lane is finite; leaves the lane's state there in ``y``."""
    for i in range(size):
        middle[i] = before[i]
    while end - begin > 1:
        half = (begin + end) // 2
        for i in range(size):
            y[i] = middle[i]
        index[0] = begin
        if call(advance, work, buffer, 1, half - begin) >> lane & 1:
            end = half
        else:
            begin = half
            for i in range(size):
                middle[i] = y[i]
    for i in range(size):
        y[i] = middle[i]
    return begin
