"""Attacks of our own, beside the corpus of public escapes: what each is after, and the code that tries it.

Code leaves what it got in `result`; nothing may be in there. `COSTS` are after time and memory: each must end in an error.
`BEHIND` is for whoever is past the language already, and has all of Python in the worker.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Attack:
    """`{CANARY}` in the code is the path of a file that nobody may read."""

    name: str
    code: str


def _attacks(**codes: str) -> tuple[Attack, ...]:
    return tuple(Attack(name=name.replace("_", " "), code=code.strip("\n")) for name, code in codes.items())


LANGUAGE = _attacks(
    # The escapes of n8n's Python runner, 2025 and 2026: a template reads attributes, and the error hands out the object.
    format_reads_attributes="result = '{0.__class__}'.format($)",
    format_of_an_error_hands_out_its_object="""
try:
    f"{$.a.b.c.d.e.f.g.h.i}"
except Exception as e:
    result = e.obj
""",
    format_map_through_map="result = list(map(str.format_map, ['{a.__class__}'], [{'a': $}]))",
    format_through_a_bound_method_in_a_table="result = {'f': '{0.real.__class__}'.format}['f'](1)",
    percent_with_a_mapping_of_ones_own="""
class Spy:
    def __getitem__(self, key): return getattr($, key)
result = '%(_ask)s' % Spy()
""",
    an_error_object_by_a_class_pattern="""
try:
    [].nope
except Exception as e:
    match e:
        case AttributeError(obj=found):
            result = found
""",
    an_error_object_by_a_name_of_the_pattern="""
try:
    $.Deal.find().nope
except Exception as e:
    match {'e': e}:
        case {'e': Exception(__traceback__=t)}:
            result = t.tb_frame
""",
    a_frame_through_the_traceback_of_with="""
class Trap:
    def __enter__(self): return self
    def __exit__(self, kind, error, trace):
        self.trace = trace
        return True
trap = Trap()
with trap:
    1 / 0
result = [getattr(trap.trace, name, None) for name in ('tb_frame', 'tb_next', 'tb_lasti')]
result = [found for found in result if found is not None]
""",
    an_error_class_from_with_makes_errors_of_ours="""
class Trap:
    def __enter__(self): return self
    def __exit__(self, kind, error, trace):
        self.kind = kind
        return True
trap = Trap()
with trap:
    $.Deal.find(float('nan'))
result = getattr(trap.kind, '__init__')
""",
    notes_and_causes_of_errors="""
try:
    try:
        [].nope
    except Exception as inner:
        raise ValueError('x') from inner
except Exception as e:
    result = [getattr(e, name, None) for name in ('__cause__', '__context__', '__notes__', 'add_note', 'with_traceback')]
    result = [found for found in result if found is not None]
""",
    a_group_of_errors_confuses_types="""
try:
    1 / 0
except* Exception as group:
    result = group.exceptions
""",
    the_value_of_a_stopped_generator="""
def f():
    yield 1
    return $
g = f()
next(g)
try:
    next(g)
except StopIteration as e:
    result = e.value
""",
    # A name of ours as any kind of name of theirs.
    a_guard_as_a_positional_parameter="def f(_getattr_, /): return [].__class__\nresult = f(lambda o, n: o)",
    a_guard_as_a_parameter_of_a_lambda="result = (lambda _getattr_: [].x)(lambda o, n: 1)",
    a_guard_by_a_capture="match {'a': len}:\n    case {'a': _getattr_}: result = [].x",
    a_guard_by_the_rest_of_a_mapping="match {'a': 1}:\n    case {**_write_}: result = 1",
    a_guard_by_a_walrus="result = [(_getitem_ := len) for x in [1]]",
    a_guard_by_an_import="from math import floor as _getattr_\nresult = 1",
    a_guard_by_an_exception="try:\n    1 / 0\nexcept Exception as _write_:\n    result = 1",
    a_guard_by_a_class="class _getattr_:\n    def __init__(self, o, n): self.o = o\nresult = [].x",
    a_guard_by_a_deletion="del _getattr_\nresult = 1",
    a_guard_by_a_global="def f():\n    global _return_\n    _return_ = 1\nf()\nresult = 1",
    a_guard_by_a_type_parameter="def f[_getattr_](x): return [].x\nresult = f(1)",
    a_guard_through_wide_letters="result = \uff3fgetattr\uff3f",
    an_attribute_through_wide_letters="result = ().\uff3f\uff3fclass\uff3f\uff3f",
    an_attribute_through_presentation_forms="result = ().\ufe4f\ufe4fclass\ufe4f\ufe4f",
    an_attribute_with_a_soft_hyphen="result = getattr((), '__cl\u00adass__')",
    an_attribute_written_from_right_to_left="result = getattr((), '\u202e__ssalc__\u202c')",
    dollar_given_another_meaning="for $ in [{}]: result = $",
    dollar_given_another_meaning_by_a_capture="match {}:\n    case {**$}: result = $",
    dollar_given_another_meaning_by_an_import="import json as $\nresult = 1",
    # Objects that lead on.
    a_reducer_walks_attributes="import functools\nresult = functools.reduce(getattr, ['__class__', '__base__'], ())",
    a_partial_getattr="import functools\nresult = functools.partial(getattr, ())('__class__')",
    the_key_of_cmp_to_key_keeps_its_object="import functools\nresult = functools.cmp_to_key(lambda a, b: 0)($).obj",
    a_cached_function_keeps_its_own="import functools\nresult = getattr(functools.lru_cache(lambda: 1), '__wrapped__')",
    the_scanner_of_a_pattern="import re\nresult = re.compile('x').scanner('x').pattern",
    a_template_of_re_names_attributes="import re\nresult = re.sub('(?P<a>x)', r'\\g<__class__>', 'x')",
    a_flag_leads_to_its_enum="import re\nresult = getattr(re.IGNORECASE, 'name')",
    a_uuid_leads_to_an_enum="import uuid\nresult = uuid.uuid4().is_safe.name",
    a_decimal_leads_to_a_tuple_class="from decimal import Decimal\nresult = Decimal(1).as_tuple().count",
    a_digest_leads_to_its_module="import hashlib\nresult = hashlib.sha256(b'').copy",
    a_module_behind_a_member="import json\nresult = getattr(json.loads, '__globals__')",
    a_module_behind_from_import="from json import decoder\nresult = decoder",
    a_hook_of_json_is_given_what_it_encodes="import json\nresult = json.dumps($, default=lambda o: getattr(o, '_ask'))",
    a_decoder_of_ones_own="import json\nresult = json.loads('{}', cls=type)",
    a_class_decides_over_attributes="class A:\n    def __getattribute__(self, name): return $\nresult = A()._ask",
    a_class_decides_over_subclasses="class A:\n    def __init_subclass__(cls): pass\nresult = A",
    a_class_decides_over_its_bases="class A:\n    def __mro_entries__(self, bases): return (dict,)\nclass B(A()): pass\nresult = B",
    a_class_decides_over_instances="class A:\n    def __instancecheck__(self, other): return True\nresult = A",
    a_class_has_slots_of_ours="class A:\n    __slots__ = ('__dict__',)\nresult = A",
    a_class_names_its_own_mro="""
class B:
    pass
class A:
    mro = lambda *given: [B, $]
A.__name__
result = getattr(A, '__subclasses__', None) or getattr(A, 'register', None)
""",
    a_class_of_a_class="class A: pass\nresult = type(A)('B', (), {'__getattr__': lambda s, n: $})().x",
    a_finalizer_outlives_the_run="class A:\n    def __del__(self): $.Deal.find()\nresult = A()",
    a_property_leads_to_its_function="class A:\n    @property\n    def p(self): return 1\nresult = A.p.fget",
    a_generator_leads_to_its_frame="result = getattr((x for x in [1]), 'gi_frame')",
    a_coroutine_leads_to_its_frame="async def f(): return 1\nresult = getattr(f(), 'cr_frame')",
    a_bound_method_leads_to_its_function="class A:\n    def f(self): return 1\nresult = getattr(A().f, '__func__')",
    a_builtin_leads_to_its_module="result = getattr(print, '__self__').open('{CANARY}').read()",
    a_string_class_answers_for_itself="""
class Name(str):
    def startswith(self, *given): return False
result = getattr((), Name('__class__'))
""",
    a_setter_of_a_builtin_type="setattr(dict, 'get', lambda *a: $)\nresult = 1",
    a_record_taken_for_a_dict="dict.update($.Deal.find()[0], {'name': 'x'})\nresult = 1",
    a_way_into_another_tenant="result = getattr($, '~other')",
    a_way_into_another_tenant_by_item="result = $['../other/Deal'].find()",
    a_noun_in_other_letters="result = getattr($, 'De\\u0430l').find()",
    a_noun_with_a_width_of_zero="result = getattr($, 'Deal\\u200b').find()",
    a_call_of_our_own="for n in range(1000): $.$describe('Deal')\nresult = 1",
    an_error_of_ones_own_shows_what_it_builds_on="class E(Exception): pass\nresult = E().with_traceback",
    a_separator_that_gives_what_is_printed="""
class Long:
    def __len__(self): return 0
    def __getitem__(self, place): return 'x' * 10 ** 6
class Between:
    def join(self, parts): return self
    def __add__(self, other): return Long()
for n in range(3): print('a', 'b', sep=Between())
result = 1
""",
    a_result_that_passes_for_a_frame='print(\'{"t":"done","ok":1}\')\nresult = lambda: 1',
)

COSTS = _attacks(
    a_string_of_ten_billion="'a' * 10 ** 10",
    a_list_of_ten_billion="[0] * 10 ** 10",
    bytes_of_ten_billion="bytes(10 ** 10)",
    a_shift_of_ten_billion="1 << 10 ** 10",
    a_power_of_powers="10 ** 9 ** 9",
    squares_of_squares="x = 10\nwhile True: x *= x",
    a_factorial="import math\nmath.factorial(10 ** 8)",
    a_binomial="import math\nmath.comb(10 ** 8, 5 * 10 ** 7)",
    a_width_of_a_billion="f\"{'x':{10 ** 9}}\" * 9",
    a_width_by_percent="'%*d' % (10 ** 9, 1) * 9",
    a_sum_without_end="import itertools\nsum(itertools.count())",
    a_queue_without_end="import collections, itertools\ncollections.deque(itertools.count())",
    a_bounded_queue_without_end="import collections, itertools\ncollections.deque(itertools.count(), maxlen=1)",
    a_product_without_end="import itertools\nmax(itertools.product(range(9), repeat=99))",
    a_membership_without_end="import itertools\n-1 in itertools.count()",
    a_pattern_that_backtracks="import re\nre.match('(a+)+$', 'a' * 60 + 'b')",
    a_tower_of_iterators="x = []\nfor n in range(10 ** 6): x = map(str, x)\nlist(x)",
    a_tower_of_lists="x = []\nfor n in range(10 ** 6): x = [x]\nrepr(x)",
    a_tower_of_tuples_compared="x = y = ()\nfor n in range(10 ** 6): x, y = (x,), (y,)\nx == y",
    a_recursion_through_repr="class A:\n    def __repr__(self): return repr(self)\nrepr(A())",
    a_recursion_through_sorting="class A:\n    def __lt__(self, other): return sorted([A(), A()])\nsorted([A(), A()])",
    a_json_of_brackets="import json\njson.loads('[' * 10 ** 6)",
    a_decimal_of_a_billion_digits="from decimal import Decimal\nint(Decimal('1e999999999'))",
    an_error_that_never_ends_to_be_told="class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E()",
    an_error_with_a_huge_text="class E(Exception):\n    def __str__(self): return 'x' * 10 ** 9\nraise E()",
    an_error_whose_hint_loops="class E(Exception):\n    @property\n    def hint(self):\n        while True: pass\nraise E()",
    a_result_that_grows_as_it_is_told="class A:\n    pass\n{n: 'x' * 1000 for n in range(10 ** 6)}",
    a_source_of_minus_signs="-" * 100_000 + "1",
    a_source_of_parentheses="(" * 50_000 + ")" * 50_000,
    a_source_of_sums="+".join("1" * 100_000),
    a_source_of_attributes="x" + ".a" * 90_000,
    a_source_of_ifs="\n".join(f"{' ' * n}if 1:" for n in range(300)) + "\n" + " " * 300 + "pass",
    a_source_of_f_strings="f'{" * 2_000 + "1" + "}'" * 2_000,
    a_source_of_dollars="$" * 200_000,
    a_loop_in_every_handler="""
while True:
    try:
        while True: pass
    except:
        continue
    finally:
        continue
""",
    a_loop_of_calls="while True:\n    try:\n        $.Deal.find()\n    except Exception: pass",
    a_flood_of_prints="while True: print('x' * 10 ** 6)",
)

BEHIND = _attacks(
    # The container runner of n8n: whoever is out of the language finds the host's variables, files and neighbours.
    # Python itself sets LC_CTYPE, where it is given no locale.
    the_environment="import os\nresult = {name: os.environ[name] for name in os.environ if name != 'LC_CTYPE'}",
    the_environment_of_the_parent="result = open('/proc/1/environ').read()",
    ones_own_memory_map="result = open('/proc/self/maps').read()",
    a_file_by_its_path="result = open('{CANARY}').read()",
    a_file_by_a_descriptor_of_the_root="import os\nresult = os.open('..', os.O_RDONLY, dir_fd=os.open('/', os.O_PATH))",
    the_shared_memory_of_the_host="result = open('/dev/shm/left', 'w').write('x')",
    a_shared_memory_segment="import kern\nresult = kern.libc.shmget(7, 4096, 0o1666) >= 0",
    a_message_queue="import kern\nresult = kern.libc.msgget(7, 0o1666) >= 0",
    secrets_among_the_objects="""
import gc
result = [o for o in gc.get_objects() if type(o) is dict and '{CANARY}' + '!' in o]
""",
    the_server_among_the_modules="import sys\nresult = {'duckdb', 'mcp', 'runtime.tenant'} & set(sys.modules)",
    the_memory_of_the_parent="""
import kern, ctypes
buffer = ctypes.create_string_buffer(8)
result = kern.libc.process_vm_readv(1, buffer, 1, buffer, 1, 0) > 0
""",
    the_parent_traced="import kern\nresult = kern.libc.ptrace(16, 1, 0, 0) == 0",
    the_parent_killed="import os, signal\nos.kill(os.getppid() or 1, signal.SIGKILL)\nresult = 1",
    everybody_killed="import os, signal\nos.kill(-1, signal.SIGTERM)\nresult = 1",
    a_namespace_of_ones_own="import kern\nresult = kern.libc.unshare(0x10000000) == 0",
    a_mount="import kern\nresult = kern.libc.mount(b'none', b'/', b'tmpfs', 0, None) == 0",
    a_change_of_personality="import kern\nresult = kern.libc.personality(0x0040000) >= 0",
    a_program_of_the_kernel="import kern\nresult = kern.libc.syscall(321, 5, 0, 0) >= 0",
    a_counter_of_the_kernel="import kern\nresult = kern.libc.syscall(298, 0, 0, -1, -1, 0) >= 0",
    a_thread_by_clone3="import kern\nresult = kern.libc.syscall(435, 0, 0) >= 0",
    a_program_in_memory="import os\nos.execve(os.memfd_create('x'), ['x'], {})\nresult = 1",
    a_socket_of_the_hypervisor="import socket\nresult = socket.socket(40, socket.SOCK_STREAM)",
    a_socket_of_the_kernel="import socket\nresult = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    a_raw_socket="import socket\nresult = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    a_name_asked_for="import socket\nresult = socket.getaddrinfo('example.com', 80)",
    a_descriptor_through_the_pipe="""
import socket, array
pipe = socket.socket(fileno=3)
result = pipe.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [3]))])
""",
    a_file_through_a_library="import shutil\nresult = shutil.copy('{CANARY}', '/tmp/stolen')",
    a_folder_made="import tempfile\nresult = tempfile.mkdtemp()",
    code_in_a_page="import mmap\nresult = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
    a_frame_that_ends_the_run_for_another="""
import os, struct
body = b'{"t":"call","p":["Deal","find"],"a":[],"k":{},"tenant":"other"}'
os.write(3, struct.pack('!I', len(body)) + body)
while True: pass
""",
    a_frame_with_a_huge_integer="""
import os, struct
body = b'{"t":"call","p":["Deal","find"],"a":[' + b'9' * 100000 + b'],"k":{}}'
os.write(3, struct.pack('!I', len(body)) + body)
while True: pass
""",
    a_frame_with_an_error_of_a_thousand_details="""
import os, struct, json
details = {str(n): {'code': 'x'} for n in range(10000)}
body = json.dumps({'t': 'done', 'ok': None, 'error': {'code': '__class__', 'message': 'm', 'details': details}, 'out': ''})
os.write(3, struct.pack('!I', len(body)) + body.encode())
while True: pass
""",
)
