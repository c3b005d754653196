"""Programs become machine code: LLVM vector functions over a workspace of lanes.

A *kernel* is a function ``int64 kernel(double *work, double *out, int64 a, int64 b)``. It computes
the same straight-line :class:`~attrax.engine.program.Program` for ``width`` independent members at
once, one vector lane each. Its inputs and outputs are the fields of a :class:`Workspace`: a block of
memory in which field ``name`` holds ``size x width`` numbers (lanes innermost), or ``size`` numbers
that all lanes share.

- :class:`Straight` loads its inputs, computes, stores its outputs, and returns a bit mask of the
  lanes for which the output ``attention`` is true.
- :class:`Loop` keeps a state in registers over many steps and writes records into ``out``.

The code is written as LLVM's own vector types, so vectorisation is certain rather than hoped for;
without fast-math flags, so a lane's result is the same for every width, lane and machine. Compiled
objects are kept in the user's cache directory (:mod:`attrax.engine.cache`).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import cache as disk
from .program import BOOL, FLOAT, INT, Builder, Instruction, Program, Table

compilations = 0
"""Number of modules compiled (not found in the cache) by this process."""

_FORMAT = 6


class Workspace:
    """Layout of a kernel's memory: named fields of ``size x width`` lanes or ``size`` shared numbers.

    Kernels work on ``grain`` lanes at a time, one group of them after the other: few enough to stay in registers, while
    the processor overlaps the groups.
    """

    def __init__(self, width: int, grain: int = 8):
        self.width = width
        self.grain = min(width, grain)
        self.size = 0
        self.fields: dict[str, tuple[int, int, bool]] = {}

    def lanes(self, **sizes: int) -> Workspace:
        """Add fields with a number per lane."""
        for name, size in sizes.items():
            self._add(name, size, size * self.width, shared=False)
        return self

    def shared(self, **sizes: int) -> Workspace:
        """Add fields that all lanes share."""
        for name, size in sizes.items():
            self._add(name, size, size, shared=True)
        return self

    def offset(self, name: str) -> int:
        """Where a field begins, in doubles."""
        return self.fields[name][0]

    def _add(self, name: str, size: int, extent: int, shared: bool) -> None:
        self.fields[name] = (self.size, size, shared)
        self.size += -(-extent // 8) * 8


@dataclass(frozen=True)
class Straight:
    """Load the program's input fields, compute, store its output fields.

    ``a`` is the bit mask of the lanes that matter: groups of lanes without any are left out. The output block
    ``attention`` (one BOOL), if there is one, is returned as a bit mask of lanes.
    """

    program: Program


@dataclass(frozen=True)
class Loop:
    """Repeat ``step`` on a state in registers: ``a`` records, ``b`` steps before each.

    Output blocks of ``step`` name the input blocks that they replace; the shared field ``index`` counts
    steps. After every ``b`` steps the blocks of ``record`` (outputs of a program of the same inputs) are
    written to ``out``, record after record: number k of record r goes to
    ``out[r*strides[0] + k*strides[1] + lane]``. Returns the mask of lanes whose state is not finite.
    """

    step: Program
    record: Program


Kernel = Straight | Loop


def load(kernels: Mapping[str, Kernel], workspace: Workspace) -> dict[str, int]:
    """Addresses of the machine code of ``kernels``, compiled unless a cache holds them."""
    text = _Module(workspace).write(kernels)
    return _load(text, tuple(kernels))


class Function:
    """A program as a plain function of numbers, for solvers that ask for one value at a time."""

    def __init__(self, program: Program):
        import ctypes

        outputs = {f"out {k}": v for k, v in program.outputs.items()}
        self._workspace = Workspace(1).lanes(**program.inputs, **{k: len(v) for k, v in outputs.items()})
        straight = Straight(Program(program.instructions, program.inputs, outputs))
        address = load({"function": straight}, self._workspace)["function"]
        pointer, integer = ctypes.c_void_p, ctypes.c_int64
        self._call = ctypes.CFUNCTYPE(integer, pointer, pointer, integer, integer)(address)
        self._work = aligned(self._workspace.size)
        self._base = self._work.ctypes.data
        view = {k: self._work[o : o + n] for k, (o, n, _) in self._workspace.fields.items()}
        self.inputs = {k: view[k] for k in program.inputs}
        self.outputs = {k: view[f"out {k}"] for k in program.outputs}

    def run(self) -> None:
        """Compute ``outputs`` from ``inputs``, both dictionaries of arrays that stay the same memory."""
        self._call(self._base, None, 1, 0)

    def __call__(self, **blocks):
        """Values of the output blocks, flat, for the input blocks."""
        for name, view in self.inputs.items():
            view[:] = blocks[name]
        self.run()
        return {name: view.copy() for name, view in self.outputs.items()}


def aligned(size: int):
    """A zeroed array of ``size`` doubles that begins at a multiple of 64 bytes."""
    memory = np.zeros(size + 8)
    return memory[(-memory.ctypes.data % 64) // 8 :][:size]


# -- LLVM ----------------------------------------------------------------------------------------------


_UNUSED = (
    *("NRT_Free", "numba_do_raise", "numba_gil_ensure", "numba_gil_release"),
    *("numba_runtime_build_excinfo_struct", "numba_unpickle"),
)
"""Functions of numba that drivers name but never call. If one is not found, LLVM resolves no other name either."""


@disk.remembered
def _target():
    import ctypes

    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for name in _UNUSED:
        if llvm.address_of_symbol(name) is None:
            llvm.add_symbol(name, ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p).value)
    features = llvm.get_host_cpu_features().flatten()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=3, codemodel="jitdefault", jit=True
    )
    identity = f"{_FORMAT} {llvm.llvm_version_info} {llvm.get_host_cpu_name()} {features}"
    return llvm, machine, identity


def identity() -> str:
    """What machine code depends on besides its source: this module's format, LLVM's version, the processor."""
    return _target()[2]


@disk.remembered
def _load(text: str, names: tuple[str, ...]) -> dict[str, int]:
    engine = _engine(disk.fetch("native", f"{identity()}\n{text}", lambda: _compile(text)))
    return {name: engine.get_function_address(name) for name in names}


def link(code: bytes, symbol: str) -> int:
    """Address of a function of an object file."""
    return _engine(code).get_function_address(symbol)


def _engine(code: bytes) -> Any:
    llvm, machine, _ = _target()
    module = llvm.parse_assembly("")
    module.triple = machine.triple
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return engine


_engines: list = []


def _compile(text: str) -> bytes:
    global compilations
    compilations += 1
    llvm, machine, _ = _target()
    module = llvm.parse_assembly(text)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    module.verify()
    return _optimised(module)


def compile_keeping(text: str, symbol: str) -> bytes:
    """Object file of another compiler's LLVM module, of which only the function ``symbol`` is needed."""
    module = _target()[0].parse_assembly(text)
    for function in module.functions:
        if not function.is_declaration and function.name != symbol:
            function.linkage = "internal"
    return _optimised(module)


def _optimised(module: Any) -> bytes:
    llvm, machine, _ = _target()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.slp_vectorization = options.loop_unrolling = False
    options.loop_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_object(module)


_UNARY = {
    "abs": "fabs",
    "sqrt": "sqrt",
    "floor": "floor",
    "ceil": "ceil",
    "rint": "roundeven",
    "trunc": "trunc",
    "min": "minimum",
    "max": "maximum",
    "copysign": "copysign",
    "fma": "fma",
}
_BINARY = {
    **{"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"},
    **{"iadd": "add", "isub": "sub", "imul": "mul", "iand": "and", "ior": "or", "ixor": "xor"},
    **{"ishl": "shl", "ilshr": "lshr", "iashr": "ashr", "and": "and", "or": "or", "xor": "xor"},
}
_COMPARE = {
    **{"lt": "fcmp olt", "le": "fcmp ole", "gt": "fcmp ogt", "ge": "fcmp oge", "eq": "fcmp oeq"},
    **{"ne": "fcmp une", "ilt": "icmp slt", "ile": "icmp sle", "igt": "icmp sgt", "ige": "icmp sge"},
    **{"ieq": "icmp eq", "ine": "icmp ne"},
}
_CAST = {
    "to_float": "sitofp",
    "to_int": "fptosi",
    "bool_to_float": "uitofp",
    "bool_to_int": "zext",
    "bits": "bitcast",
    "from_bits": "bitcast",
}
_SCALAR = {FLOAT: "double", INT: "i64", BOOL: "i1"}
_SUFFIX = {"double": "f64", "i64": "i64", "i1": "i1"}


class _Module:
    """The text of one LLVM module: kernels, and the mathematical functions that they call."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace
        self.functions: dict[str, str] = {}
        self.tables: dict[str, str] = {}
        self.declarations: set[str] = set()

    def write(self, kernels: Mapping[str, Kernel]) -> str:
        bodies = []
        for name, kernel in kernels.items():
            body = self._straight(kernel) if isinstance(kernel, Straight) else self._loop(kernel)
            bodies.append(
                f"define i64 @{name}(ptr noalias %work, ptr noalias %out, i64 %a, i64 %b) #0 {{\n{body}\n}}\n"
            )
        wide = '"min-legal-vector-width"="512" "prefer-vector-width"="512"'
        attributes = f"attributes #0 = {{ nounwind {wide} }}\nattributes #1 = {{ nounwind noinline {wide} }}\n"
        outside = [*sorted(self.declarations), *self.tables.values()]
        return "\n".join([*outside, *self.functions.values(), *bodies, attributes])

    def type(self, kind: str, width: int) -> str:
        return _SCALAR[kind] if width == 1 else f"<{width} x {_SCALAR[kind]}>"

    def intrinsic(self, name: str, kind: str, width: int, arguments: int) -> str:
        suffix = ("" if width == 1 else f"v{width}") + _SUFFIX[_SCALAR[kind]]
        type = self.type(kind, width)
        full = f"@llvm.{name}.{suffix}"
        self.declarations.add(f"declare {type} {full}({', '.join([type] * arguments)})")
        return full

    def function(self, op: str, width: int, arguments: int) -> str:
        """Name of the vector function of a mathematical operation, written on first use."""
        from . import vectormath

        name = f"@{op}.{width}"
        if name in self.functions:
            return name
        self.functions[name] = ""
        builder = Builder()
        values = [builder.input("x", arguments)[k] for k in range(arguments)]
        rare = vectormath.RARE.get(op)
        outputs = {"y": [vectormath.expand(builder, op, *values)]}
        if rare:
            outputs["rare"] = [rare[0](builder, *values)]
        code = _Code(self, width, {"x": [f"%x{k}" for k in range(arguments)]})
        results = code.emit(builder.program(outputs))
        type = self.type(FLOAT, width)
        y = code.use(results["y"][0], FLOAT)
        if rare:
            y = self._rare(code, y, code.use(results["rare"][0], BOOL), rare[1], width, arguments)
        parameters = ", ".join(f"{type} %x{k}" for k in range(arguments))
        code.line(f"ret {type} {y}")
        self.functions[name] = (
            f"define internal {type} {name}({parameters}) #0 {{\nentry:\n" + "\n".join(code.lines) + "\n}\n"
        )
        return name

    def table(self, table: Table) -> str:
        """Name of a table of numbers, written on first use."""
        name = f"@table.{table.digest[:16]}"
        if name not in self.tables:
            numbers = ", ".join(f"i64 {v}" for v in table.values.view(np.int64).tolist())
            count = len(table.values)
            self.tables[name] = f"{name} = internal constant [{count} x i64] [{numbers}], align 64"
        return name

    def outlined(self, program: Program, width: int) -> tuple[str, str]:
        """Name and result type of the function of a program that is called, written on first use."""
        name = f"@program.{program.digest[:16]}.{width}"
        type = self.type(FLOAT, width)
        outputs = [v for ids in program.outputs.values() for v in ids]
        result = "{ " + ", ".join([type] * len(outputs)) + " }"
        if name not in self.functions:
            self.functions[name] = ""
            code = _Code(self, width, {})
            parameters = []
            for block, size in program.inputs.items():
                code.inputs[block] = [f"%{_clean(block)}.{k}" for k in range(size)]
                parameters += code.inputs[block]
            values = [v for block in code.emit(program).values() for v in block]
            total = "poison"
            for k, v in enumerate(values):
                total = code.new(f"insertvalue {result} {total}, {type} {code.use(v, FLOAT)}, {k}")
            code.line(f"ret {result} {total}")
            head = ", ".join(f"{type} {p}" for p in parameters)
            body = "\n".join(code.lines)
            self.functions[name] = f"define internal {result} {name}({head}) #1 {{\nentry:\n{body}\n}}\n"
        return name, result

    def _rare(self, code: _Code, y: str, mask: str, libm: str, width: int, arguments: int) -> str:
        """Where any lane is out of the fast path's range, ask the C library, lane by lane."""
        type = self.type(FLOAT, width)
        self.declarations.add(f"declare double @{libm}({', '.join(['double'] * arguments)})")
        anywhere = code.any(mask)
        code.line(f"br i1 {anywhere}, label %rare, label %done")
        code.lines.append("rare:")
        slow = y
        for lane in range(width):
            if width == 1:
                value = code.new(f"call double @{libm}({', '.join(f'double %x{k}' for k in range(arguments))})")
                slow = code.new(f"select i1 {mask}, double {value}, double {y}")
                break
            xs = [code.new(f"extractelement {type} %x{k}, i32 {lane}") for k in range(arguments)]
            value = code.new(f"call double @{libm}({', '.join(f'double {x}' for x in xs)})")
            flag = code.new(f"extractelement <{width} x i1> {mask}, i32 {lane}")
            fast = code.new(f"extractelement {type} {y}, i32 {lane}")
            chosen = code.new(f"select i1 {flag}, double {value}, double {fast}")
            slow = code.new(f"insertelement {type} {slow}, double {chosen}, i32 {lane}")
        code.line("br label %done")
        code.lines.append("done:")
        return code.new(f"phi {type} [ {y}, %entry ], [ {slow}, %rare ]")

    def _straight(self, kernel: Straight) -> str:
        width, grain = self.workspace.width, self.workspace.grain
        code = _Code(self, grain, {}, lines=["entry:"], lanes="%lanes")
        code.line("br label %groups")
        code.lines.append("groups:")
        code.line("%base = phi i64 [ 0, %entry ], [ %base.next, %next ]")
        code.line("%bits = phi i64 [ 0, %entry ], [ %bits.next, %next ]")
        code.line("%wanted = lshr i64 %a, %base")
        code.line(f"%wanted.here = and i64 %wanted, {(1 << grain) - 1}")
        code.line("%skipped = icmp eq i64 %wanted.here, 0")
        code.line("br i1 %skipped, label %next, label %group")
        code.lines.append("group:")
        code.line("%lanes = getelementptr double, ptr %work, i64 %base")
        results = code.emit(kernel.program)
        attention = results.pop("attention", None)
        for name, values in results.items():
            code.store(name, values)
        bits = "0" if attention is None else code.mask(code.use(attention[0], BOOL))
        code.line(f"%bits.here = shl i64 {bits}, %base")
        code.line("br label %next")
        code.lines.append("next:")
        code.line("%bits.new = phi i64 [ 0, %groups ], [ %bits.here, %group ]")
        code.line("%bits.next = or i64 %bits, %bits.new")
        code.line(f"%base.next = add i64 %base, {grain}")
        code.line(f"%more = icmp ult i64 %base.next, {width}")
        code.line("br i1 %more, label %groups, label %exit")
        code.lines.append("exit:")
        code.line("ret i64 %bits.next")
        return "\n".join(code.lines)

    def _loop(self, kernel: Loop) -> str:
        width = self.workspace.grain
        bases = range(0, self.workspace.width, width)
        lines = ["entry:"]
        code = _Code(self, width, {}, lines)
        carried = {name: len(ids) for name, ids in kernel.step.outputs.items()}
        type = self.type(FLOAT, width)

        inputs = kernel.step.inputs | kernel.record.inputs
        fixed, start = {}, {}
        for code.base in bases:
            fixed[code.base] = {k: code.load(k) for k in inputs if k not in carried and k != "index"}
            start[code.base] = {k: [code.use(v, FLOAT) for v in code.load(k)] for k in carried}
        begin = code.load("index")[0].text
        strides = [code.new(f"fptosi double {v.text} to i64") for v in code.load("strides")]
        code.line("br label %records")

        lines.append("records:")
        number = code.name()
        code.line(f"{number} = phi i64 [ 0, %entry ], [ %number.next, %steps.end ]")
        outer = {base: code.phis(start[base], "entry", "steps.end", f"y.{base}") for base in bases}
        outer_index = code.name()
        code.line(f"{outer_index} = phi double [ {begin}, %entry ], [ %index.end, %steps.end ]")
        more = code.new(f"icmp slt i64 {number}, %a")
        code.line(f"br i1 {more}, label %steps, label %exit")

        lines.append("steps:")
        k = code.name()
        code.line(f"{k} = phi i64 [ 0, %records ], [ %k.next, %body ]")
        inner = {base: code.phis(outer[base], "records", "body", f"z.{base}") for base in bases}
        index = code.name()
        code.line(f"{index} = phi double [ {outer_index}, %records ], [ %index.next, %body ]")
        going = code.new(f"icmp slt i64 {k}, %b")
        code.line(f"br i1 {going}, label %body, label %steps.end")

        def bound(base: int) -> dict[str, Any]:
            state = {name: [_Value(v, FLOAT, width) for v in values] for name, values in inner[base].items()}
            return {**fixed[base], **state, "index": [_Value(index, FLOAT, 1)]}

        lines.append("body:")
        for code.base in bases:
            code.inputs = bound(code.base)
            for name, values in code.emit(kernel.step).items():
                for j, v in enumerate(values):
                    text = code.use(v, FLOAT)
                    code.line(f"%z.{code.base}.{_clean(name)}.{j} = bitcast {type} {text} to {type}")
        code.line(f"%index.next = fadd double {index}, 1.0")
        code.line(f"%k.next = add i64 {k}, 1")
        code.line("br label %steps")

        lines.append("steps.end:")
        code.forget()
        row = code.new(f"mul i64 {number}, {strides[0]}")
        for code.base in bases:
            code.inputs = bound(code.base)
            recorded = [v for values in code.emit(kernel.record).values() for v in values]
            for j, v in enumerate(recorded):
                column = code.new(f"mul i64 {strides[1]}, {j}")
                position = code.new(f"add i64 {row}, {column}")
                place = code.new(f"add i64 {position}, {code.base}")
                pointer = code.new(f"getelementptr double, ptr %out, i64 {place}")
                code.line(f"store {type} {code.use(v, FLOAT)}, ptr {pointer}, align 8")
            for name, texts in inner[code.base].items():
                for j, text in enumerate(texts):
                    code.line(f"%y.{code.base}.{_clean(name)}.{j} = bitcast {type} {text} to {type}")
        code.line(f"%index.end = bitcast double {index} to double")
        code.line(f"%number.next = add i64 {number}, 1")
        code.line("br label %records")

        lines.append("exit:")
        code.forget()
        bits = "0"
        for code.base in bases:
            for name, texts in outer[code.base].items():
                code.store(name, [_Value(text, FLOAT, width) for text in texts])
            total = "zeroinitializer" if width > 1 else "false"
            for texts in outer[code.base].values():
                for text in texts:
                    difference = code.new(f"fsub {type} {text}, {text}")
                    flag = code.new(f"fcmp uno {type} {difference}, {difference}")
                    total = code.new(f"or {self.type(BOOL, width)} {total}, {flag}")
            here = code.new(f"shl i64 {code.mask(total)}, {code.base}")
            bits = code.new(f"or i64 {bits}, {here}")
        code.store("index", [_Value(outer_index, FLOAT, 1)])
        code.line(f"ret i64 {bits}")
        return "\n".join(lines)


def _clean(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


@dataclass(frozen=True, slots=True)
class _Value:
    text: str
    kind: str
    width: int


@dataclass
class _Code:
    """Lines of one function, and what its names stand for."""

    module: _Module
    width: int
    inputs: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    base: int = 0
    lanes: str = "%work"
    count: int = 0
    _splats: dict[tuple[str, str], str] = field(default_factory=dict)

    def name(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def line(self, text: str) -> None:
        self.lines.append("  " + text)

    def new(self, expression: str) -> str:
        name = self.name()
        self.line(f"{name} = {expression}")
        return name

    def forget(self) -> None:
        """Values broadcast in another basic block are not known here."""
        self._splats.clear()

    def phis(self, start: dict[str, list[str]], source: str, back: str, prefix: str) -> dict[str, list[str]]:
        """A phi node per value, whose next value will be called ``%prefix.name.j``."""
        type = self.module.type(FLOAT, self.width)
        nodes: dict[str, list[str]] = {}
        for name, values in start.items():
            nodes[name] = []
            for j, v in enumerate(values):
                node = self.name()
                self.line(f"{node} = phi {type} [ {v}, %{source} ], [ %{prefix}.{_clean(name)}.{j}, %{back} ]")
                nodes[name].append(node)
        return nodes

    def use(self, value: _Value, kind: str) -> str:
        """Text of a value as a vector of this function's width (shared values are broadcast)."""
        if value.width == self.width:
            return value.text
        key = (value.text, kind)
        if key not in self._splats:
            type = self.module.type(kind, self.width)
            scalar = _SCALAR[kind]
            if value.text[0] != "%":
                self._splats[key] = f"splat ({scalar} {value.text})"
            else:
                single = self.new(f"insertelement {type} poison, {scalar} {value.text}, i32 0")
                zeros = f"<{self.width} x i32> zeroinitializer"
                self._splats[key] = self.new(f"shufflevector {type} {single}, {type} poison, {zeros}")
        return self._splats[key]

    def any(self, mask: str) -> str:
        if self.width == 1:
            return mask
        bits = self.new(f"bitcast <{self.width} x i1> {mask} to i{self.width}")
        return self.new(f"icmp ne i{self.width} {bits}, 0")

    def mask(self, mask: str) -> str:
        """The mask of a group of lanes as a 64-bit integer."""
        if self.width == 1:
            return self.new(f"zext i1 {mask} to i64")
        bits = self.new(f"bitcast <{self.width} x i1> {mask} to i{self.width}")
        return bits if self.width == 64 else self.new(f"zext i{self.width} {bits} to i64")

    def load(self, name: str) -> list[_Value]:
        width = 1 if self.module.workspace.fields[name][2] else self.width
        type = self.module.type(FLOAT, width)
        align = min(64, 8 * width)
        values = []
        for k in range(self.module.workspace.fields[name][1]):
            pointer = self.new(self._place(name, k))
            values.append(_Value(self.new(f"load {type}, ptr {pointer}, align {align}"), FLOAT, width))
        return values

    def store(self, name: str, values: list[_Value]) -> None:
        _, size, shared = self.module.workspace.fields[name]
        if len(values) != size:
            raise ValueError(f"field {name!r} has {size} numbers, not {len(values)}")
        width = 1 if shared else self.width
        type = self.module.type(FLOAT, width)
        for k, v in enumerate(values):
            text = self.first(v) if shared else self.use(v, FLOAT)
            pointer = self.new(self._place(name, k))
            self.line(f"store {type} {text}, ptr {pointer}, align {min(64, 8 * width)}")

    def first(self, value: _Value) -> str:
        """Text of a number that all lanes have in common."""
        if value.width == 1:
            return value.text
        return self.new(f"extractelement {self.module.type(FLOAT, value.width)} {value.text}, i32 0")

    def _place(self, name: str, k: int) -> str:
        """Address of number ``k`` of a field."""
        offset, _, shared = self.module.workspace.fields[name]
        if shared:
            return f"getelementptr double, ptr %work, i64 {offset + k}"
        return f"getelementptr double, ptr {self.lanes}, i64 {offset + k * self.module.workspace.width + self.base}"

    def emit(self, program: Program) -> dict[str, list[_Value]]:
        """Write the instructions of ``program``; returns its output values."""
        values: list[_Value] = []
        for i in program.instructions:
            if i.op == "constant":
                values.append(_Value(_constant(i.payload), i.type, 1))
            elif i.op == "input":
                name, k = i.payload  # type: ignore[misc]
                if name not in self.inputs:
                    self.inputs[name] = self.load(name)
                given = self.inputs[name][k]
                values.append(given if isinstance(given, _Value) else _Value(given, FLOAT, self.width))
            elif i.op == "call":
                values.append(self._call(i.payload, [values[a] for a in i.arguments]))  # type: ignore[arg-type]
            elif i.op == "lookup":
                values.append(self._lookup(i.payload, values[i.arguments[0]]))  # type: ignore[arg-type]
            elif i.op == "part":
                call = values[i.arguments[0]]
                text = self.new(f"extractvalue {call.kind} {call.text}, {i.payload}")
                values.append(_Value(text, FLOAT, self.width))
            else:
                values.append(self._operation(i, [values[a] for a in i.arguments]))
        return {name: [values[v] for v in ids] for name, ids in program.outputs.items()}

    def _call(self, program: Program, arguments: list[_Value]) -> _Value:
        name, result = self.module.outlined(program, self.width)
        type = self.module.type(FLOAT, self.width)
        given = ", ".join(f"{type} {self.use(a, FLOAT)}" for a in arguments)
        return _Value(self.new(f"call {result} {name}({given})"), result, self.width)

    def _lookup(self, table: Table, index: _Value) -> _Value:
        width, name = index.width, self.module.table(table)
        type, pointers = self.module.type(FLOAT, width), "ptr" if width == 1 else f"<{width} x ptr>"
        place = self.new(f"getelementptr double, ptr {name}, {self.module.type(INT, width)} {index.text}")
        if width == 1:
            return _Value(self.new(f"load double, ptr {place}, align 8"), FLOAT, 1)
        gather = f"@llvm.masked.gather.v{width}f64.v{width}p0"
        flags = f"<{width} x i1>"
        self.module.declarations.add(f"declare {type} {gather}({pointers}, i32, {flags}, {type})")
        operands = f"{pointers} {place}, i32 8, {flags} splat (i1 true), {type} poison"
        return _Value(self.new(f"call {type} {gather}({operands})"), FLOAT, width)

    def _operation(self, i: Instruction, arguments: list[_Value]) -> _Value:
        width = max(a.width for a in arguments)
        texts = [a.text if width == a.width else self.use(a, a.kind) for a in arguments]
        kind = arguments[-1].kind
        type, result = self.module.type(kind, width), self.module.type(i.type, width)
        operands = ", ".join(f"{type} {t}" for t in texts)
        op = i.op
        if op == "neg":
            text = f"fneg {type} {texts[0]}"
        elif op in ("not", "ineg"):
            text = (
                f"xor {type} {texts[0]}, {self._ones(width)}"
                if op == "not"
                else f"sub {type} {self._zero(width)}, {texts[0]}"
            )
        elif op in _UNARY:
            text = f"call {type} {self.module.intrinsic(_UNARY[op], kind, width, len(texts))}({operands})"
        elif op in ("imin", "imax"):
            text = f"call {type} {self.module.intrinsic('s' + op[1:], INT, width, 2)}({operands})"
        elif op == "iabs":
            full = self.module.intrinsic("abs", INT, width, 1)
            self.module.declarations.discard(f"declare {type} {full}({type})")
            self.module.declarations.add(f"declare {type} {full}({type}, i1)")
            text = f"call {type} {full}({type} {texts[0]}, i1 false)"
        elif op in ("idiv", "irem"):
            zero = self.new(f"icmp eq {type} {texts[1]}, {self._zero(width)}")
            flags, one = self.module.type(BOOL, width), self._one(width)
            divisor = self.new(f"select {flags} {zero}, {type} {one}, {type} {texts[1]}")
            text = f"s{op[1:]} {type} {texts[0]}, {divisor}"
        elif op in _BINARY:
            text = f"{_BINARY[op]} {type} {texts[0]}, {texts[1]}"
        elif op in _COMPARE:
            text = f"{_COMPARE[op]} {type} {texts[0]}, {texts[1]}"
        elif op in _CAST:
            text = f"{_CAST[op]} {type} {texts[0]} to {result}"
        elif op in ("select", "iselect", "bselect"):
            flags = self.module.type(BOOL, width)
            text = f"select {flags} {texts[0]}, {type} {texts[1]}, {type} {texts[2]}"
        else:
            text = f"call {type} {self.module.function(op, width, len(texts))}({operands})"
        return _Value(self.new(text), i.type, width)

    def _zero(self, width: int) -> str:
        return "0" if width == 1 else "zeroinitializer"

    def _one(self, width: int) -> str:
        return "1" if width == 1 else "splat (i64 1)"

    def _ones(self, width: int) -> str:
        return "true" if width == 1 else "splat (i1 true)"


def _constant(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
