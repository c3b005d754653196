"""Events of large systems, for the loops of :mod:`attrax.integrators.large.drivers`: spotted, logged, carried out.

Thread 0 decides; all threads play the tape. ``eye`` are the integers of `fields.EYE`.
"""

from __future__ import annotations

from numba.extending import register_jitable

from ...engine.array_drivers import meet
from ...engine.array_fields import BASES
from ...engine.memory import at, call, doubles, integers, narrow
from ..event_drivers import first_zero
from ..fields import EVENT, NOISE, RESET, TERMINAL, ZENO
from .fields import (
    DEGREE,
    DELIVERIES,
    DELIVERY,
    EVENTS,
    FINAL,
    FIRST_RESET,
    INTERPOLATE,
    KICK,
    KICKS,
    LIST,
    LISTED,
    LOGGED,
    MATRIX,
    NODES,
    NUMBERS,
    ONE,
    PASSED,
    PENDING,
    RANGE,
    RANGES,
    ROOM,
    SCRATCH,
    SIZE,
    SLOTS,
    STOPS,
    SUSPECT,
    SUSPICIOUS,
    TIMES,
    TURN,
    TURNED,
    VALUES,
    WATCH,
    WHO,
)

ROUNDS = 1000
"""Resets that follow each other at one time before they are taken to be infinitely many."""
BLOCK = 64
"""Marks that are looked at together."""


@register_jitable
def full(eye, members, each):
    """Whether there is no room for so many events of each element."""
    return eye[LOGGED] + members * each * eye[SIZE] > eye[ROOM]


@register_jitable
def value_at(eye, bases, node):
    """Let the values of the event functions go to those of a node of the step."""
    buffer = integers(eye[SLOTS])[node]
    bases[2 * eye[VALUES]], bases[2 * eye[VALUES] + 1] = bases[2 * buffer], bases[2 * buffer + 1]


@register_jitable
def row(bases, buffer, member):
    """The numbers of a member in a buffer."""
    return doubles(bases[2 * buffer] + member * bases[2 * buffer + 1])


@register_jitable
def next_one(marks, i, last):
    """The next place from ``i`` on that is marked by a number other than 0; ``last`` if there is none."""
    while i < last:
        end = min(i + BLOCK, last)
        count = 0
        for k in range(i, end):
            count += marks[k] != 0.0
        if count > 0:
            while marks[i] == 0.0:
                i += 1
            return i
        i = end
    return last


@register_jitable
def swap(bases, a, b):
    """Let two buffers change places."""
    bases[2 * a], bases[2 * b] = bases[2 * b], bases[2 * a]


@register_jitable
def copy(bases, source, target, m, size):
    """Copy the numbers of a member from one buffer to another."""
    here, there = row(bases, source, m), row(bases, target, m)
    for j in range(size):
        there[j] = here[j]


@register_jitable
def spot(eye, bases, m, t, h, index):
    """Log the events of a member in its step of length ``h`` from ``t``, and list it if they have consequences.

    Events at given times come at the end of the step of their ``index``.
    """
    ranges, out, stops = integers(eye[RANGES]), doubles(eye[SCRATCH]), doubles(eye[STOPS])
    stack, suspect, passed = at(out, 8), row(bases, eye[SUSPECT], m), row(bases, eye[PASSED], m)
    before = eye[LOGGED]
    acts, ends = _scheduled(eye, m, index, passed, t + h)
    stop = 1.0 if ends else 2.0
    for e in range(eye[EVENTS]):
        one = at(ranges, e * RANGE)
        i = next_one(suspect, one[0], one[1])
        while i < one[1]:
            degree, least = _polynomial(eye, bases, m, i, one[4], stack), -1.0
            while first_zero(stack, degree, float(one[2]), least, least >= 0.0, out):
                least = out[0]
                _log(eye, m, i, t + least * h)
                if one[3] & RESET:
                    passed[i] = 1.0
                    acts = 1
                if one[3] & TERMINAL:
                    stop = min(stop, least)
                degree = _polynomial(eye, bases, m, i, one[4], stack)
            i = next_one(suspect, i + 1, one[1])
    stops[m] = stop
    if stop <= 1.0:
        _forget_later(eye, passed, before, t + stop * h, h)
    if acts or stop <= 1.0:
        integers(eye[LIST])[eye[LISTED]] = m
        eye[LISTED] += 1


@register_jitable
def _scheduled(eye, m, index, passed, t):
    """Log the events that come to a member at the end of this step; whether they act on it, and end it."""
    kicks, ranges, acts, ends = integers(eye[KICKS]), integers(eye[RANGES]), 0, 0
    for k in range(kicks[0]):
        one = at(kicks, 1 + k * KICK)
        steps, past = at(integers(one[2]), m * one[1]), at(integers(one[3]), m)
        if past[0] == one[1] or steps[past[0]] != index:
            continue
        past[0] += 1
        place = at(ranges, one[0] * RANGE)
        _log(eye, m, place[0], t)
        if place[3] & RESET:
            passed[place[0]] = 1.0
            acts = 1
        if place[3] & TERMINAL:
            ends = 1
    return acts, ends


@register_jitable
def go_on(eye, bases, m):
    """What was the end of a step of a member is the beginning of the next."""
    slots = integers(eye[SLOTS])
    old, new = row(bases, slots[0], m), row(bases, slots[eye[DEGREE]], m)
    turn, turned = row(bases, eye[TURN], m), row(bases, eye[TURNED], m)
    for i in range(eye[SIZE]):
        old[i] = new[i]
        if eye[TURN] != eye[TURNED]:
            turn[i] = turned[i]


@register_jitable
def observe(play, player, eye, active, count, times, stages, t, h, index, new, shown, thread):
    """The events of a step that all members take together."""
    bases, nodes = integers(player[BASES]), doubles(eye[NODES])
    for node in range(1, eye[DEGREE] + 1):
        if thread == 0:
            times[stages + 1], times[stages + 3] = t + nodes[node] * h, nodes[node]
            value_at(eye, bases, node)
        last = node == eye[DEGREE]
        if thread == 0 and last:
            swap(bases, new, shown)
        meet(player)
        if not last:
            call(play, player, active, INTERPOLATE, count)
        call(play, player, active, WATCH, count)
    call(play, player, active, SUSPICIOUS, count)
    if thread == 0:
        swap(bases, new, shown)
        eye[LISTED] = 0
        for k in range(count):
            spot(eye, bases, active[k], t, h, index)
            go_on(eye, bases, active[k])
    meet(player)


@register_jitable
def land(play, player, eye, times, stages, t, h, new, shown, size, status, thread):
    """Carry out what the events of the step do to the states ``new`` at its end, and what follows from that.

    Members that end have a status; their state is that at their event.
    """
    bases, listed, stops = integers(player[BASES]), integers(eye[LIST]), doubles(eye[STOPS])
    one = integers(eye[ONE])
    for k in range(eye[LISTED]):
        m = listed[k]
        if stops[m] > 1.0:
            continue
        if thread == 0:
            one[0] = m
            times[stages + 1], times[stages + 3] = t + stops[m] * h, stops[m]
        meet(player)
        if eye[DEGREE] == 1:
            call(play, player, one, FINAL, 1)
        call(play, player, one, INTERPOLATE, 1)
        if thread == 0:
            copy(bases, shown, new, m, size)
            status[m] = EVENT
        _reset(play, player, eye, one, 1, new, shown, size, thread)
    pending, rounds = integers(eye[PENDING]), 0
    if thread == 0:
        one[1] = 0
        for k in range(eye[LISTED]):
            if stops[listed[k]] > 1.0:
                pending[one[1]] = listed[k]
                one[1] += 1
        times[stages + 1] = t + h
    meet(player)
    while one[1] > 0:
        count = one[1]
        _reset(play, player, eye, pending, count, new, shown, size, thread)
        if thread == 0:
            value_at(eye, bases, eye[DEGREE])
            swap(bases, new, shown)
        meet(player)
        call(play, player, pending, WATCH, count)
        if thread == 0:
            swap(bases, new, shown)
            one[1] = 0
            for k in range(count):
                m = pending[k]
                more = _jump(eye, bases, m, t + h, status)
                if more and (rounds == ROUNDS or full(eye, 1, 1)):
                    status[m], stops[m] = ZENO, 1.0
                if more and stops[m] > 1.0:
                    pending[one[1]] = m
                    one[1] += 1
        rounds += 1
        meet(player)


@register_jitable
def _reset(play, player, eye, members, count, new, shown, size, thread):
    """Carry out the resets of all events of some members, in their order."""
    bases, ranges, some = integers(player[BASES]), integers(eye[RANGES]), integers(eye[WHO])
    for e in range(eye[EVENTS]):
        one = at(ranges, e * RANGE)
        if not one[3] & RESET:
            continue
        if thread == 0:
            some[0] = 0
            for k in range(count):
                if next_one(row(bases, eye[PASSED], members[k]), one[0], one[1]) < one[1]:
                    some[1 + some[0]] = members[k]
                    some[0] += 1
                    _deliver(eye, bases, members[k], e, one[0], one[1])
        meet(player)
        if some[0] > 0:
            call(play, player, at(some, 1), FIRST_RESET + e, some[0])
        if thread == 0 and some[0] > 0:
            if bases[2 * new + 1] == 0:
                swap(bases, new, shown)  # there is but one member
            else:
                for k in range(some[0]):
                    copy(bases, shown, new, some[1 + k], size)
        meet(player)


@register_jitable
def _deliver(eye, bases, m, e, first, last):
    """What a member's elements send to which event number ``e`` happens."""
    deliveries, passed = integers(eye[DELIVERIES]), row(bases, eye[PASSED], m)
    for k in range(deliveries[0]):
        one = at(deliveries, 1 + k * DELIVERY)
        if one[0] != e:
            continue
        arrived, begins, who, weights = row(bases, one[1], m), integers(one[3]), narrow(one[4]), doubles(one[5])
        for i in range(one[2]):
            arrived[i] = 0.0
        i = next_one(passed, first, last)
        while i < last:
            for synapse in range(begins[i - first], begins[i - first + 1]):
                arrived[who[synapse]] += weights[synapse]
            i = next_one(passed, i + 1, last)


@register_jitable
def _jump(eye, bases, m, t, status):
    """Log what else passes zero as the state of a member jumps; returns whether more resets follow, now in PASSED."""
    ranges, slots, stops = integers(eye[RANGES]), integers(eye[SLOTS]), doubles(eye[STOPS])
    old, new = row(bases, slots[0], m), row(bases, slots[eye[DEGREE]], m)
    passed, turn, more = row(bases, eye[PASSED], m), row(bases, eye[TURN], m), False
    for e in range(eye[EVENTS]):
        one = at(ranges, e * RANGE)
        first, last = one[0], one[1]
        if one[4]:
            for i in range(first, last):
                turn[i] = 0.0
            continue
        ups = downs = 0
        for i in range(first, last):
            ups += (old[i] < 0.0) & (new[i] >= 0.0)
            downs += (old[i] >= 0.0) & (new[i] < 0.0)
        passes = (ups > 0 and one[2] >= 0) or (downs > 0 and one[2] <= 0)
        for i in range(first, last if passes else first):
            own, passed[i] = passed[i], 0.0
            up, down = old[i] < 0.0 <= new[i], old[i] >= 0.0 > new[i]
            if own == 0.0 and ((up and one[2] >= 0) or (down and one[2] <= 0)):
                _log(eye, m, i, t)
                if one[3] & RESET:
                    passed[i], more = 1.0, True
                if one[3] & TERMINAL:
                    status[m], stops[m] = EVENT, 1.0
        for i in range(first, first if passes else last):
            passed[i] = 0.0
    for i in range(eye[SIZE]):
        old[i] = new[i]
    return more


@register_jitable
def _polynomial(eye, bases, m, i, rate, stack):
    """Bernstein coefficients of an event function over a step, or of its derivative, and its interval; their degree."""
    degree, slots, matrix = eye[DEGREE], integers(eye[SLOTS]), doubles(eye[MATRIX])
    for j in range(degree + 1):
        total = 0.0
        for k in range(degree + 1):
            total += matrix[j * (degree + 1) + k] * row(bases, slots[k], m)[i]
        stack[j] = total
    stack[0], stack[degree] = row(bases, slots[0], m)[i], row(bases, slots[degree], m)[i]
    if rate:
        degree -= 1
        for j in range(degree + 1):
            stack[j] = stack[j + 1] - stack[j]
        stack[0] = row(bases, eye[TURN], m)[i]
        stack[degree] = row(bases, eye[TURNED], m)[i]
    largest = 0.0
    for j in range(degree + 1):
        largest = max(largest, abs(stack[j]))
    for j in range(1, degree):
        if abs(stack[j]) <= NOISE * largest:
            stack[j] = 0.0
    stack[degree + 1], stack[degree + 2] = 0.0, 1.0
    return degree


@register_jitable
def _log(eye, m, i, t):
    numbers = at(integers(eye[NUMBERS]), 2 * eye[LOGGED])
    doubles(eye[TIMES])[eye[LOGGED]], numbers[0], numbers[1] = t, m, i
    eye[LOGGED] += 1


@register_jitable
def _forget_later(eye, passed, before, stop, direction):
    """Take back the events of a member after the one that ends it."""
    times, numbers, ranges = doubles(eye[TIMES]), integers(eye[NUMBERS]), integers(eye[RANGES])
    kept = before
    for i in range(eye[SIZE]):
        passed[i] = 0.0
    for k in range(before, eye[LOGGED]):
        if direction * (times[k] - stop) > 0.0:
            continue
        times[kept], numbers[2 * kept], numbers[2 * kept + 1] = times[k], numbers[2 * k], numbers[2 * k + 1]
        kept += 1
        for e in range(eye[EVENTS]):
            one, i = at(ranges, e * RANGE), numbers[2 * k + 1]
            if one[0] <= i < one[1] and one[3] & RESET:
                passed[i] = 1.0
    eye[LOGGED] = kept
