"""Loops over the elements of arrays, and products of matrices with vectors, as machine code.

A loop runs a straight-line :class:`~attrax.engine.program.Program` over many elements, eight at a time: elements take
the place of the lanes of :mod:`attrax.engine.native`. Each input of its program is an array (or a number that all
elements share), each output is written to an array or reduced to one number. Element numbers and addresses come at
run time, so that one machine code serves arrays of any size.

All kernels are functions ``int64 kernel(int64 *table, int32 *rows, int64 first, int64 last)``; ``table`` holds
addresses. An element's result does not depend on where a range begins; sums are made of eight partial sums, those of
elements ``first + k``, ``first + k + 8``..., which are added in one order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from . import native
from .program import BOOL, FLOAT, INT, Instruction, Program

WIDTH = 8
ROWS, MEMBERS = 4, 4
"""Rows of a matrix that are multiplied at a time with one vector, and vectors that are multiplied together."""

AHEAD = 256
"""Elements by which a loop that gathers calls for its numbers and indices in advance."""

SUMS = {"add": 0.0, "mul": 1.0, "max": -float("inf"), "min": float("inf")}
"""The reductions, with the value of none."""

VECTOR = f"<{WIDTH} x double>"
_INTEGERS, _FLAGS = f"<{WIDTH} x i64>", f"<{WIDTH} x i1>"
_COUNT = f"<{WIDTH} x i64> <{', '.join(f'i64 {k}' for k in range(WIDTH))}>"


@dataclass(frozen=True)
class Stream:
    """How a loop reads an input: a number (``scalar``), element by element (``column``), through indices (``gather``),
    or in a loop over segments one number per segment (``row``); ``counter`` is the number of the element, an INT.

    ``narrow`` numbers have 32 bits. A gathered input has two addresses in the table, of the numbers and the indices; a
    counter has none.
    """

    how: str = "column"
    narrow: bool = False

    @property
    def addresses(self) -> int:
        """Number of entries in the table."""
        return {"gather": 2, "counter": 0}.get(self.how, 1)


@dataclass(frozen=True)
class Loop:
    """A loop: input blocks ``in0``, ``in1``... of one FLOAT each, and what becomes of the output blocks.

    Outputs ``out0``... are stored, outputs ``sum0``... are reduced by ``reductions``, and the results stored. The table
    lists inputs, stored outputs, results. With ``segments``, elements ``rows[i]`` up to ``rows[i + 1]`` are
    reduced to the result number i, for i in the range of the loop; nothing else is stored. If it is ``woven``, the
    stored outputs alternate in one array, the first in the table, instead.
    """

    program: Program
    streams: tuple[Stream, ...]
    reductions: tuple[str, ...] = ()
    segments: bool = False
    woven: bool = False


@dataclass(frozen=True)
class Product:
    """Rows ``first`` to ``last`` of a matrix times ``vectors`` vectors.

    The table: address of the matrix, bytes from row to row, number of columns, addresses of the vectors and results.
    """

    vectors: int
    narrow: bool = False


Kernel = Loop | Product


def load(kernels: Mapping[str, Kernel]) -> dict[str, int]:
    """Addresses of the machine code of ``kernels``."""
    if not kernels:
        return {}
    module = _Module(native.Workspace(WIDTH))
    return native._load(module.loops(kernels), tuple(kernels))


class _Module(native._Module):
    def loops(self, kernels: Mapping[str, Kernel]) -> str:
        bodies = []
        for name, kernel in kernels.items():
            lines = _product(self, kernel) if isinstance(kernel, Product) else _Loop(self, kernel).lines()
            body = "\n".join(lines)
            head = f"define i64 @{name}(ptr %table, ptr %rows, i64 %first, i64 %last) #0"
            bodies.append(f"{head} {{\n{body}\n}}\n")
        wide = '"min-legal-vector-width"="512" "prefer-vector-width"="512"'
        attributes = f"attributes #0 = {{ nounwind {wide} }}\nattributes #1 = {{ nounwind noinline {wide} }}\n"
        return "\n".join([*sorted(self.declarations), *self.functions.values(), *bodies, attributes])


class _Loop:
    """Writes the text of one loop."""

    def __init__(self, module: _Module, loop: Loop):
        self.module, self.loop = module, loop
        self.code = native._Code(module, WIDTH, {}, ["entry:"])
        self.stored = [v for name, (v,) in loop.program.outputs.items() if name.startswith("out")]
        self.reduced = [v for name, (v,) in loop.program.outputs.items() if name.startswith("sum")]
        self.values: dict[int, native._Value] = {}
        self.gathers = any(stream.how == "gather" for stream in loop.streams)

    def lines(self) -> list[str]:
        code, loop = self.code, self.loop
        self.inputs, position = [], 0
        for stream in loop.streams:
            self.inputs.append([self.pointer(position + k) for k in range(stream.addresses)])
            position += stream.addresses
        self.outputs = [self.pointer(position + k) for k in range(1 if loop.woven else len(self.stored))]
        position += len(self.outputs)
        self.results = [self.pointer(position + k) for k in range(len(self.reduced))]
        self.emit({"scalar"})
        if loop.segments:
            self.over_segments()
        else:
            for total, result in zip(self.span("%first", "%last", "entry", "all"), self.results, strict=True):
                code.line(f"store double {total}, ptr {result}, align 8")
        code.line("ret i64 0")
        return code.lines

    def over_segments(self) -> None:
        code = self.code
        code.line("%filled = icmp slt i64 %first, %last")
        code.line("br i1 %filled, label %row, label %exit")
        code.lines.append("row:")
        code.line("%i = phi i64 [ %first, %entry ], [ %i.next, %row.done ]")
        code.line("%i.next = add i64 %i, 1")
        ends = []
        for i in ("%i", "%i.next"):
            place = code.new(f"getelementptr i64, ptr %rows, i64 {i}")
            ends.append(code.new(f"load i64, ptr {place}, align 8"))
        outside = set(self.values)
        self.emit({"row"})
        totals = self.span(ends[0], ends[1], "row", "row")
        for total, result in zip(totals, self.results, strict=True):
            place = code.new(f"getelementptr double, ptr {result}, i64 %i")
            code.line(f"store double {total}, ptr {place}, align 8")
        code.line("br label %row.done")
        code.lines.append("row.done:")
        code.line("%more.rows = icmp slt i64 %i.next, %last")
        code.line("br i1 %more.rows, label %row, label %exit")
        code.lines.append("exit:")
        self.values = {v: self.values[v] for v in outside}

    def span(self, first: str, last: str, source: str, name: str) -> list[str]:
        """Elements ``first`` to ``last``; returns the reduced values."""
        code = self.code
        kinds = self.loop.reductions
        empty = [f"splat (double {native._constant(SUMS[k])})" for k in kinds]
        code.line(f"br label %{name}.head")
        code.lines.append(f"{name}.head:")
        code.line(f"%{name}.c = phi i64 [ {first}, %{source} ], [ %{name}.c.next, %{name}.body ]")
        sums = []
        for k, none in enumerate(empty):
            code.line(f"%{name}.sum{k} = phi {VECTOR} [ {none}, %{source} ], [ %{name}.next{k}, %{name}.body ]")
            sums.append(f"%{name}.sum{k}")
        code.line(f"%{name}.c.next = add i64 %{name}.c, {WIDTH}")
        code.line(f"%{name}.whole = icmp sle i64 %{name}.c.next, {last}")
        code.line(f"br i1 %{name}.whole, label %{name}.body, label %{name}.rest")
        code.lines.append(f"{name}.body:")
        with self.body(f"%{name}.c", None) as given:
            for k, (kind, total, v) in enumerate(zip(kinds, sums, given, strict=True)):
                code.line(f"%{name}.next{k} = {self.combined(kind, total, v)}")
            code.line(f"br label %{name}.head")
        code.lines.append(f"{name}.rest:")
        code.line(f"%{name}.left = icmp slt i64 %{name}.c, {last}")
        code.line(f"br i1 %{name}.left, label %{name}.tail, label %{name}.end")
        code.lines.append(f"{name}.tail:")
        mask = code.new(f"icmp slt {_INTEGERS} {_numbers(code, f'%{name}.c')}, {_splat(code, last)}")
        ends = []
        with self.body(f"%{name}.c", mask) as given:
            for kind, total, v in zip(kinds, sums, given, strict=True):
                new = code.new(self.combined(kind, total, v))
                ends.append(code.new(f"select {_FLAGS} {mask}, {VECTOR} {new}, {VECTOR} {total}"))
            code.line(f"br label %{name}.end")
        code.lines.append(f"{name}.end:")
        finals = []
        for k, (total, end) in enumerate(zip(sums, ends, strict=True)):
            code.line(f"%{name}.final{k} = phi {VECTOR} [ {total}, %{name}.rest ], [ {end}, %{name}.tail ]")
            finals.append(f"%{name}.final{k}")
        return [self.across(kind, v) for kind, v in zip(kinds, finals, strict=True)]

    @contextmanager
    def body(self, c: str, mask: str | None) -> Iterator[list[str]]:
        """The program at the elements from ``c`` on, outputs stored; gives the values to be reduced."""
        code, outside = self.code, dict(self.values)
        code.forget()
        self.emit({"column", "gather", "counter"}, c, mask)
        values = [self.number(v) for v in self.stored]
        if self.loop.woven:
            count, width = len(values), WIDTH * len(values)
            place = f"getelementptr double, ptr {self.outputs[0]}, i64 {code.new(f'mul i64 {c}, {count}')}"
            if mask is not None:
                each = ", ".join(f"i32 {k // count}" for k in range(width))
                mask = code.new(f"shufflevector {_FLAGS} {mask}, {_FLAGS} poison, <{width} x i32> <{each}>")
            self.store(self.woven(values), width, code.new(place), mask)
        else:
            for value, pointer in zip(values, self.outputs, strict=True):
                self.store(value, WIDTH, code.new(f"getelementptr double, ptr {pointer}, i64 {c}"), mask)
        yield [self.number(v) for v in self.reduced]
        self.values = outside
        code.forget()

    def woven(self, values: list[str]) -> str:
        """Vectors, a power of two of them, as one in which their elements alternate."""
        if len(values) == 1:
            return values[0]
        width = WIDTH * len(values) // 2
        type, order = f"<{width} x double>", ", ".join(f"i32 {k}, i32 {width + k}" for k in range(width))
        even, odd = self.woven(values[::2]), self.woven(values[1::2])
        return self.code.new(f"shufflevector {type} {even}, {type} {odd}, <{2 * width} x i32> <{order}>")

    def store(self, value: str, width: int, place: str, mask: str | None) -> None:
        """Numbers one after the other, but for those that are masked."""
        type, flags = f"<{width} x double>", f"<{width} x i1>"
        if mask is None:
            self.code.line(f"store {type} {value}, ptr {place}, align 8")
            return
        name = f"@llvm.masked.store.v{width}f64.p0"
        self.declare(f"void {name}({type}, ptr, i32 immarg, {flags})")
        self.code.line(f"call void {name}({type} {value}, ptr {place}, i32 8, {flags} {mask})")

    def emit(self, streams: set[str], c: str = "", mask: str | None = None) -> None:
        """Instructions that are known with inputs of ``streams``."""
        code, everything = self.code, "column" in streams
        for v, i in enumerate(self.loop.program.instructions):
            if v in self.values:
                continue
            if i.op == "constant":
                self.values[v] = native._Value(native._constant(i.payload), i.type, 1)
            elif i.op == "input":
                k = int(i.payload[0][2:])
                if everything or self.loop.streams[k].how in streams:
                    self.values[v] = self.read(k, c, mask)
            elif all(a in self.values for a in i.arguments):
                given = [self.values[a] for a in i.arguments]
                if i.op == "call":
                    self.values[v] = code._call(i.payload, given)
                elif i.op == "part":
                    text = code.new(f"extractvalue {given[0].kind} {given[0].text}, {i.payload}")
                    self.values[v] = native._Value(text, FLOAT, WIDTH)
                else:
                    self.values[v] = code._operation(i, given)

    def read(self, k: int, c: str, mask: str | None) -> native._Value:
        code, stream = self.code, self.loop.streams[k]
        if stream.how == "counter":
            return native._Value(_numbers(code, c), INT, WIDTH)
        base = self.inputs[k][0]
        scalar = "float" if stream.narrow else "double"
        size = 4 if stream.narrow else 8
        if stream.how in ("scalar", "row"):
            place = base if stream.how == "scalar" else code.new(f"getelementptr {scalar}, ptr {base}, i64 %i")
            value = code.new(f"load {scalar}, ptr {place}, align {size}")
            return native._Value(code.new(f"fpext float {value} to double") if stream.narrow else value, FLOAT, 1)
        if stream.how == "column":
            place = code.new(f"getelementptr {scalar}, ptr {base}, i64 {c}")
            self.call_for(place, size, mask)
            value = self.vector(place, scalar, mask)
        else:
            value = self.gathered(base, scalar, self.inputs[k][1], c, mask)
        if stream.narrow:
            value = code.new(f"fpext <{WIDTH} x float> {value} to {VECTOR}")
        return native._Value(value, FLOAT, WIDTH)

    def gathered(self, base: str, scalar: str, indices: str, c: str, mask: str | None) -> str:
        """Numbers one by one: as fast as the processors' own instruction, or faster."""
        code = self.code
        first = code.new(f"getelementptr i32, ptr {indices}, i64 {c}")
        self.call_for(first, 4, mask)
        wide = (
            "" if mask is None else code.new(f"zext <{WIDTH} x i32> {self.vector(first, 'i32', mask)} to {_INTEGERS}")
        )
        result = "poison"
        for lane in range(WIDTH):
            if wide:
                index = code.new(f"extractelement {_INTEGERS} {wide}, i32 {lane}")
            else:
                near = code.new(f"getelementptr i32, ptr {first}, i64 {lane}")
                index = code.new(f"zext i32 {code.new(f'load i32, ptr {near}, align 4')} to i64")
            place = code.new(f"getelementptr {scalar}, ptr {base}, i64 {index}")
            one = code.new(f"load {scalar}, ptr {place}, align {4 if scalar == 'float' else 8}")
            result = code.new(f"insertelement <{WIDTH} x {scalar}> {result}, {scalar} {one}, i32 {lane}")
        return result

    def call_for(self, place: str, size: int, mask: str | None) -> None:
        """Have the cache fetch what is needed soon: the processor does not by itself between gathered numbers."""
        if self.gathers and mask is None:
            self.declare("void @llvm.prefetch.p0(ptr, i32 immarg, i32 immarg, i32 immarg)")
            later = self.code.new(f"getelementptr i8, ptr {place}, i64 {AHEAD * size}")
            self.code.line(f"call void @llvm.prefetch.p0(ptr {later}, i32 0, i32 3, i32 1)")

    def vector(self, place: str, scalar: str, mask: str | None) -> str:
        """Eight consecutive numbers, zero where they are masked."""
        code, type = self.code, f"<{WIDTH} x {scalar}>"
        size = {"double": 8, "float": 4, "i32": 4}[scalar]
        if mask is None:
            return code.new(f"load {type}, ptr {place}, align {size}")
        suffix = {"double": "v8f64", "float": "v8f32", "i32": "v8i32"}[scalar]
        self.declare(f"{type} @llvm.masked.load.{suffix}.p0(ptr, i32 immarg, {_FLAGS}, {type})")
        given = f"ptr {place}, i32 {size}, {_FLAGS} {mask}, {type} zeroinitializer"
        return code.new(f"call {type} @llvm.masked.load.{suffix}.p0({given})")

    def number(self, v: int) -> str:
        """Text of a value as numbers."""
        value = self.values[v]
        if value.kind == FLOAT:
            return self.code.use(value, FLOAT)
        op = {INT: "from_bits", BOOL: "bool_to_float"}[value.kind]
        return self.code.use(self.code._operation(Instruction(op, (v,), FLOAT), [value]), FLOAT)

    def combined(self, kind: str, a: str, b: str, width: int = WIDTH) -> str:
        type = self.module.type(FLOAT, width)
        if kind in ("add", "mul"):
            return f"f{kind} {type} {a}, {b}"
        return f"call {type} {self.module.intrinsic(native._UNARY[kind], FLOAT, width, 2)}({type} {a}, {type} {b})"

    def across(self, kind: str, v: str) -> str:
        """The eight partial results as one."""
        return _across(self.code, v, lambda a, b, width: self.combined(kind, a, b, width))

    def pointer(self, position: int) -> str:
        place = self.code.new(f"getelementptr i64, ptr %table, i64 {position}")
        return self.code.new(f"load ptr, ptr {place}, align 8")

    def declare(self, text: str) -> None:
        self.module.declarations.add(f"declare {text}")


def _splat(code: native._Code, number: str) -> str:
    """A vector of the same integer."""
    wide = code.new(f"insertelement {_INTEGERS} poison, i64 {number}, i32 0")
    return code.new(f"shufflevector {_INTEGERS} {wide}, {_INTEGERS} poison, <{WIDTH} x i32> zeroinitializer")


def _numbers(code: native._Code, first: str) -> str:
    """The integers from ``first`` on."""
    return code.new(f"add {_INTEGERS} {_splat(code, first)}, {_COUNT[len(_INTEGERS) :]}")


def _across(code: native._Code, v: str, combined) -> str:
    """Halves of a vector combined until one number is left."""
    width = WIDTH
    while width > 1:
        type, half = f"<{width} x double>", width // 2
        parts = []
        for start in (0, half):
            mask = ", ".join(f"i32 {start + k}" for k in range(half))
            parts.append(code.new(f"shufflevector {type} {v}, {type} poison, <{half} x i32> <{mask}>"))
        if half == 1:
            parts = [code.new(f"extractelement <1 x double> {p}, i32 0") for p in parts]
        v = code.new(combined(*parts, half))
        width = half
    return v


def _product(module: _Module, product: Product) -> list[str]:
    """Blocks of rows, with what is left over row by row; each sum is made of eight, as in loops."""
    code = native._Code(module, WIDTH, {}, ["entry:"])
    vectors = product.vectors
    rows = ROWS if vectors == 1 else 24 // vectors

    def entry(k: int, type: str) -> str:
        place = code.new(f"getelementptr i64, ptr %table, i64 {k}")
        return code.new(f"load {type}, ptr {place}, align 8")

    matrix, stride, columns = entry(0, "ptr"), entry(1, "i64"), entry(2, "i64")
    given = [entry(3 + k, "ptr") for k in range(vectors)]
    results = [entry(3 + vectors + k, "ptr") for k in range(vectors)]
    code.line(f"%whole = and i64 {columns}, {-WIDTH}")
    code.line(f"%odd = icmp ne i64 %whole, {columns}")
    mask = code.new(f"icmp slt {_INTEGERS} {_numbers(code, '%whole')}, {_splat(code, columns)}")
    loops = _Loop(module, Loop(Program((), {}, {}), ()))
    loops.code = code
    scalar = "float" if product.narrow else "double"
    fma = module.intrinsic("fma", FLOAT, WIDTH, 3)

    def block(name: str, count: int, begin: str, source: str) -> str:
        """As many blocks of ``count`` rows as there are; returns where they end."""
        sums = [(r, k) for r in range(count) for k in range(vectors)]
        code.line(f"br label %{name}")
        code.lines.append(f"{name}:")
        code.line(f"%{name}.i = phi i64 [ {begin}, %{source} ], [ %{name}.i.next, %{name}.done ]")
        code.line(f"%{name}.i.next = add i64 %{name}.i, {count}")
        code.line(f"%{name}.fits = icmp sle i64 %{name}.i.next, %last")
        code.line(f"br i1 %{name}.fits, label %{name}.start, label %{name}.exit")
        code.lines.append(f"{name}.start:")
        bases = []
        for r in range(count):
            row = code.new(f"add i64 %{name}.i, {r}")
            bases.append(code.new(f"getelementptr i8, ptr {matrix}, i64 {code.new(f'mul i64 {row}, {stride}')}"))
        code.line(f"br label %{name}.head")
        code.lines.append(f"{name}.head:")
        code.line(f"%{name}.j = phi i64 [ 0, %{name}.start ], [ %{name}.j.next, %{name}.body ]")
        for r, k in sums:
            nothing = f"[ zeroinitializer, %{name}.start ]"
            code.line(f"%{name}.s{r}.{k} = phi {VECTOR} {nothing}, [ %{name}.n{r}.{k}, %{name}.body ]")
        code.line(f"%{name}.more = icmp slt i64 %{name}.j, %whole")
        code.line(f"br i1 %{name}.more, label %{name}.body, label %{name}.rest")

        def steps(mask: str | None) -> dict[tuple[int, int], str]:
            xs = []
            for x in given:
                place = code.new(f"getelementptr double, ptr {x}, i64 %{name}.j")
                xs.append(loops.vector(place, "double", mask))
            found = {}
            for r in range(count):
                place = code.new(f"getelementptr {scalar}, ptr {bases[r]}, i64 %{name}.j")
                w = loops.vector(place, scalar, mask)
                if product.narrow:
                    w = code.new(f"fpext <{WIDTH} x float> {w} to {VECTOR}")
                for k in range(vectors):
                    total = f"%{name}.s{r}.{k}"
                    found[r, k] = f"call {VECTOR} {fma}({VECTOR} {w}, {VECTOR} {xs[k]}, {VECTOR} {total})"
            return found

        code.lines.append(f"{name}.body:")
        for (r, k), text in steps(None).items():
            code.line(f"%{name}.n{r}.{k} = {text}")
        code.line(f"%{name}.j.next = add i64 %{name}.j, {WIDTH}")
        code.line(f"br label %{name}.head")
        code.lines.append(f"{name}.rest:")
        code.line(f"br i1 %odd, label %{name}.tail, label %{name}.done")
        code.lines.append(f"{name}.tail:")
        for (r, k), text in steps(mask).items():
            code.line(f"%{name}.t{r}.{k} = {text}")
        code.line(f"br label %{name}.done")
        code.lines.append(f"{name}.done:")
        finals = {}
        for r, k in sums:
            whole, odd = f"[ %{name}.s{r}.{k}, %{name}.rest ]", f"[ %{name}.t{r}.{k}, %{name}.tail ]"
            code.line(f"%{name}.f{r}.{k} = phi {VECTOR} {whole}, {odd}")
            finals[r, k] = f"%{name}.f{r}.{k}"
        for (r, k), v in finals.items():
            total = _across(code, v, lambda a, b, width: f"fadd {module.type(FLOAT, width)} {a}, {b}")
            row = code.new(f"add i64 %{name}.i, {r}")
            place = code.new(f"getelementptr double, ptr {results[k]}, i64 {row}")
            code.line(f"store double {total}, ptr {place}, align 8")
        code.line(f"br label %{name}")
        code.lines.append(f"{name}.exit:")
        return f"%{name}.i"

    reached = block("many", rows, "%first", "entry")
    reached = block("some", rows // 2, reached, "many.exit")
    block("one", 1, reached, "some.exit")
    code.line("ret i64 0")
    return code.lines
