"""The loops of steps of large systems, compiled by numba (see :mod:`attrax.engine.array_drivers`).

All threads run a driver together: thread 0 decides, the others wait.
"""

from __future__ import annotations

from math import log2

from numba.extending import register_jitable

from ...engine.array_drivers import meet
from ...engine.array_fields import BASES, THREAD
from ...engine.memory import Doubles, Integers, at, call, doubles, integers
from ..fields import DONE, EVENT, NONFINITE, PAUSED, RUNNING, STEP_TOO_SMALL, TOO_MANY_STEPS
from .event_drivers import copy, full, go_on, land, observe, spot, swap, value_at
from .fields import (
    ACCEPTED,
    BETA,
    CLOCKS,
    COLUMNS,
    COMMIT,
    DEGREE,
    END,
    FINAL,
    GROW,
    HELD,
    INTERPOLATE,
    LAST,
    LIST,
    LISTED,
    MEMORY,
    NODES,
    POWER,
    RECORD,
    REJECTED,
    SAFETY,
    SAMPLE,
    SHRINK,
    START,
    STEP,
    STEPS,
    STOPS,
    SUSPICIOUS,
    TAKEN,
    WATCH,
    WHO,
    H,
    T,
)

WIDTH = len(COLUMNS)
FRESH, SEEN = 1.0, 2.0
"""What ACCEPTED says of a step: just taken; and its events are known."""


def _steps(watching):
    """The driver of equal steps; with the code for events if ``watching``."""

    def steps(
        play: int,
        player: Integers,
        y: int,
        new: int,
        shown: int,
        size: int,
        first: int,
        last: int,
        active: Integers,
        status: Integers,
        reached: Integers,
        bad: Doubles,
        times: Doubles,
        nodes: Doubles,
        stages: int,
        clock: Doubles,
        origin: int,
        position: Integers,
        nearest: Integers,
        thetas: Doubles,
        records: int,
        alone: int,
        record: Doubles,
        outputs: int,
        out: Doubles,
        row: int,
        offset: int,
        eye: Integers,
    ) -> int:
        """Steps of equal length for all members together, from step ``position[0]`` on (counted from ``origin``).

        Without ``records``, up to step ``nearest[0]``; with them, record r is at the fraction ``thetas[r]`` of the step
        that begins at ``nearest[r]``, and goes to ``out[member, offset + r]``, where a member has room for ``row``
        records. ``position[1]`` counts the ``active`` members. ``clock`` has the time of step 0 and the length of a
        step. With ``alone`` the first thread delivers records without the others.

        When events are watched, the derivatives at the ends of a step are in the buffers ``first`` and ``last``, and
        the driver returns early when there is no room for more events. Returns the number of records delivered.
        """
        thread, bases, h = player[THREAD], integers(player[BASES]), clock[1]
        index, taken = position[0], -1
        if watching:
            taken = eye[TAKEN]
        for r in range(max(records, 1)):
            while position[1] > 0 and (index < nearest[r] or (records > 0 and thetas[r] > 0.0 and taken != index)):
                if taken != index:
                    if watching and full(eye, position[1], eye[DEGREE] + 2):
                        if thread == 0:
                            position[0], eye[TAKEN] = index, taken
                        meet(player)
                        return r
                    _set_times(times, nodes, stages, clock, origin + index, thread)
                    meet(player)
                    call(play, player, active, STEP, position[1])
                    if (watching and eye[DEGREE] > 1) or index == nearest[r]:
                        call(play, player, active, FINAL, position[1])
                    if watching:
                        t = clock[0] + (origin + index) * h
                        observe(play, player, eye, active, position[1], times, stages, t, h, index, new, shown, thread)
                    taken = index
                if index == nearest[r]:
                    break
                if watching and eye[LISTED] > 0:
                    t = clock[0] + (origin + index) * h
                    land(play, player, eye, times, stages, t, h, new, shown, size, status, thread)
                if thread == 0:
                    _drop(bases, y, new, size, active, position, status, reached, bad, index)
                    swap(bases, y, new)
                    if watching:
                        times[0] = clock[0] + (origin + index + 1) * h
                        if eye[DEGREE] > 1:
                            swap(bases, first, last)
                meet(player)
                if watching and eye[DEGREE] == 1:
                    call(play, player, active, START, position[1])
                elif watching and eye[LISTED] > 0:
                    call(play, player, integers(eye[LIST]), START, eye[LISTED])
                index += 1
            if records == 0 or position[1] == 0:
                break
            if alone == 0:
                meet(player)
            if thread == 0:
                times[stages + 1] = clock[0] + (origin + index + thetas[r]) * h
                times[stages + 3] = thetas[r]
                if thetas[r] == 0.0:
                    swap(bases, y, shown)
            if alone == 0:
                meet(player)
            if thread == 0 or alone == 0:
                if thetas[r] > 0.0:
                    call(play, player, active, INTERPOLATE, position[1])
                call(play, player, active, RECORD, position[1])
            if thread == 0:
                if thetas[r] == 0.0:
                    swap(bases, y, shown)
                for k in range(position[1]):
                    target = at(out, (active[k] * row + offset + r) * outputs)
                    source = at(record, active[k] * outputs)
                    for j in range(outputs):
                        target[j] = source[j]
            if alone == 0:
                meet(player)
        if thread == 0:
            position[0] = index
            if watching:
                eye[TAKEN] = taken
        meet(player)
        return records

    return steps


steps, watched_steps = _steps(False), _steps(True)


def _adaptive(watching):
    """The driver of steps with error control; with the code for events if ``watching``."""

    def adaptive(
        play: int,
        player: Integers,
        y: int,
        new: int,
        shown: int,
        members: int,
        active: Integers,
        status: Integers,
        control: Doubles,
        hs: Doubles,
        errors: Doubles,
        estimates: int,
        dimension: int,
        times: Doubles,
        nodes: Doubles,
        stages: int,
        clock: Doubles,
        rule: Doubles,
        samples: Doubles,
        first_sample: int,
        last_sample: int,
        all_samples: int,
        alone: int,
        record: Doubles,
        outputs: int,
        out: Doubles,
        budget: int,
        shared: Integers,
        eye: Integers,
    ) -> int:
        """Steps with error control of the members whose status is RUNNING, at most ``budget``; whether some are left.

        With ``alone`` the first thread delivers samples without the others. Ends early when there is no room for more
        events.
        ``clock`` has the end, the direction and the largest number of steps, ``control`` the `COLUMNS` of each member,
        ``samples`` the times from ``first_sample`` to the one after ``last_sample``.
        """
        thread, row = player[THREAD], last_sample - first_sample
        for _ in range(budget):
            if watching and full(eye, members, eye[DEGREE] + 2):
                break
            if thread == 0:
                _plan(members, active, status, control, hs, times, nodes, stages, clock, shared)
            meet(player)
            if shared[0] == 0 and shared[1] == 0:
                break
            call(play, player, active, STEP, shared[0])
            if thread == 0:
                for k in range(shared[0]):
                    m = active[k]
                    _judge(at(control, m * WIDTH), hs[m], errors, estimates, members, m, dimension, rule, status, clock)
                count = 0
                for m in range(members):
                    if status[m] == RUNNING and at(control, m * WIDTH)[ACCEPTED] != 0.0:
                        active[count] = m
                        count += 1
                shared[1] = count
            meet(player)
            if watching:
                _observe(play, player, eye, active, shared, control, hs, times, stages, thread)
            # samples within the step, in rounds: the next one of every member that has one
            prepared = watching
            while row > 0 and shared[1] > 0 and (thread == 0 or alone == 0):
                if thread == 0:
                    due = 0
                    for k in range(shared[1]):
                        m = active[k]
                        c = at(control, m * WIDTH)
                        s = int(c[SAMPLE])
                        if s < last_sample and clock[1] * (c[END] - samples[s - first_sample]) >= 0.0:
                            active[members + due] = m
                            due += 1
                            time = at(times, m * (stages + CLOCKS))
                            time[stages + 1] = samples[s - first_sample]
                            time[stages + 3] = (samples[s - first_sample] - c[T]) / hs[m]
                    shared[2] = due
                if alone == 0:
                    meet(player)
                due = shared[2]
                if due == 0:
                    break
                some = at(active, members)
                if not prepared:
                    call(play, player, some, FINAL, due)
                    prepared = True
                call(play, player, some, INTERPOLATE, due)
                call(play, player, some, RECORD, due)
                if thread == 0:
                    for k in range(due):
                        m = some[k]
                        c = at(control, m * WIDTH)
                        target = at(out, (m * row + int(c[SAMPLE]) - first_sample) * outputs)
                        source = at(record, m * outputs)
                        for j in range(outputs):
                            target[j] = source[j]
                        c[SAMPLE] += 1.0
                if alone == 0:
                    meet(player)
            if thread == 0:
                count = 0
                for k in range(shared[1]):
                    m = active[k]
                    c = at(control, m * WIDTH)
                    waits = last_sample < all_samples and int(c[SAMPLE]) == last_sample
                    if waits and clock[1] * (c[END] - samples[row]) >= 0.0:
                        status[m] = PAUSED  # in the middle of a step
                        continue
                    active[count] = m
                    count += 1
                    c[ACCEPTED], c[T] = 0.0, c[END]
                    if watching and doubles(eye[STOPS])[m] <= 1.0:
                        status[m] = EVENT
                    elif c[LAST] != 0.0:
                        status[m] = DONE
                    elif c[STEPS] >= clock[2]:
                        status[m] = TOO_MANY_STEPS
                    elif waits:
                        status[m] = PAUSED
                shared[1] = count
            meet(player)
            if watching:
                _end(play, player, eye, active, shared, times, stages, new, shown, dimension, status, thread)
            call(play, player, active, COMMIT, shared[1])
        left = 0
        for m in range(members):
            if status[m] == RUNNING:
                left = 1
        meet(player)
        return left

    return adaptive


adaptive, watched_adaptive = _adaptive(False), _adaptive(True)


@register_jitable
def _observe(play, player, eye, active, shared, control, hs, times, stages, thread):
    """The events of the steps that members have just taken."""
    bases, nodes, some = integers(player[BASES]), doubles(eye[NODES]), integers(eye[WHO])
    if thread == 0:
        some[0] = 0
        for k in range(shared[1]):
            if at(control, active[k] * WIDTH)[ACCEPTED] == FRESH:
                some[1 + some[0]] = active[k]
                some[0] += 1
    meet(player)
    count, fresh = some[0], at(some, 1)
    call(play, player, fresh, FINAL, count)
    for node in range(1, eye[DEGREE] + 1):
        if thread == 0:
            for k in range(count):
                time = at(times, fresh[k] * (stages + CLOCKS))
                time[stages + 1] = at(control, fresh[k] * WIDTH)[T] + nodes[node] * hs[fresh[k]]
                time[stages + 3] = nodes[node]
            value_at(eye, bases, node)
        meet(player)
        call(play, player, fresh, INTERPOLATE, count)
        call(play, player, fresh, WATCH, count)
    call(play, player, fresh, SUSPICIOUS, count)
    if thread == 0:
        eye[LISTED] = 0
        for k in range(count):
            m = fresh[k]
            c = at(control, m * WIDTH)
            spot(eye, bases, m, c[T], hs[m], -1)
            go_on(eye, bases, m)
            c[ACCEPTED] = SEEN
            if doubles(eye[STOPS])[m] <= 1.0:
                c[END] = c[T] + doubles(eye[STOPS])[m] * hs[m]
    meet(player)


@register_jitable
def _end(play, player, eye, active, shared, times, stages, new, shown, dimension, status, thread):
    """Where an event has ended members, their state is that at it."""
    bases, some = integers(player[BASES]), integers(eye[WHO])
    if thread == 0:
        some[0] = 0
        for k in range(shared[1]):
            if status[active[k]] == EVENT:
                some[1 + some[0]] = active[k]
                some[0] += 1
                at(times, active[k] * (stages + CLOCKS))[stages + 3] = doubles(eye[STOPS])[active[k]]
    meet(player)
    call(play, player, at(some, 1), INTERPOLATE, some[0])
    if thread == 0:
        for k in range(some[0]):
            copy(bases, shown, new, some[1 + k], dimension)
    meet(player)


@register_jitable
def _plan(members, active, status, control, hs, times, nodes, stages, clock, shared):
    """List the members that take a step, with its length and times; count those in the middle of one, too."""
    count = waiting = 0
    for m in range(members):
        c = at(control, m * WIDTH)
        if status[m] != RUNNING:
            continue
        if c[ACCEPTED] != 0.0:
            waiting += 1
            continue
        active[count] = m
        count += 1
        left = abs(clock[0] - c[T])
        c[LAST] = 1.0 if c[H] >= left else 0.0
        used = min(c[H], left) * clock[1]
        c[END] = clock[0] if c[LAST] != 0.0 else c[T] + used
        hs[m] = used
        time = at(times, m * (stages + CLOCKS))
        for i in range(stages):
            time[i] = c[T] + nodes[i] * used
        time[stages] = c[END]
    shared[0], shared[1] = count, waiting


@register_jitable
def _set_times(times, nodes, stages, clock, index, thread):
    if thread == 0:
        t = clock[0] + index * clock[1]
        for i in range(stages):
            times[i] = t + nodes[i] * clock[1]
        times[stages] = t + clock[1]
        times[stages + 2] = index


@register_jitable
def _drop(bases, y, new, size, active, position, status, reached, bad, index):
    """Members that have ended stay where they are; infinite or NaN ones where they were before the step."""
    count = 0
    for k in range(position[1]):
        m = active[k]
        if status[m] != RUNNING:  # an event has ended it
            copy(bases, new, y, m, size)
            reached[m] = index
        elif bad[m] == 0.0:
            active[count] = m
            count += 1
        else:
            status[m] = NONFINITE
            reached[m] = index
            copy(bases, y, new, m, size)
    position[1] = count


@register_jitable
def _judge(c, used, errors, estimates, members, m, dimension, rule, status, clock):
    """Accept or refuse a step, and choose the next one (Hairer, Norsett & Wanner, II.4 and II.10)."""
    error = errors[m] / dimension
    tolerated = 1.0
    if estimates == 2:
        coarse = errors[members + m] / dimension
        tolerated = max(error + 0.01 * coarse, 1e-270)
        error = error * error
    finite = error < 1e300
    accepted = error <= tolerated and finite
    level = log2(max(error, 1e-300)) - log2(tolerated) if finite else 1000.0
    change = log2(rule[SAFETY]) + 0.5 * rule[BETA] * c[MEMORY] - rule[POWER] * level
    ceiling = log2(rule[GROW]) if c[HELD] == 0.0 else 0.0
    c[H] = abs(used) * 2.0 ** max(min(change, ceiling), log2(rule[SHRINK]))
    c[STEPS] += 1.0
    c[ACCEPTED] = 1.0 if accepted else 0.0
    c[HELD] = 0.0 if accepted else 1.0
    if accepted:
        c[MEMORY] = max(level, log2(1e-8))
        return
    c[REJECTED] += 1.0
    if c[H] <= 2.0**-50 * abs(c[T]) + 1e-280:
        status[m] = STEP_TOO_SMALL if finite else NONFINITE
    elif c[STEPS] >= clock[2]:
        status[m] = TOO_MANY_STEPS
