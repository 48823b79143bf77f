# Golden tests: RUN lines in the input's own comments, expectations for FileCheck beside them.
#   %status N command     runs the command and passes if it exits with N
#   %examples             the folder of examples
# nnc, nnc-opt, nnc-train and FileCheck, not, count are found by name.
import os
import sys

import lit.formats

build = lit_config.params["build"]
llvm = lit_config.params["llvm"]

config.name = "nnc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".nn", ".ir", ".test"]
config.excludes = ["inputs"]
config.test_source_root = os.path.dirname(os.path.abspath(__file__))
config.test_exec_root = os.path.join(build, "golden")

for tool in ("nnc", "nnc-opt", "nnc-train"):
    if not os.access(os.path.join(build, "bin", tool), os.X_OK):
        lit_config.fatal(f"{tool} is not built in {build}/bin")
for tool in ("FileCheck", "not", "count"):
    if not os.access(os.path.join(llvm, "bin", tool), os.X_OK):
        lit_config.fatal(f"{tool} is not in {llvm}/bin (.ci/setup installs it)")

config.environment["PATH"] = os.pathsep.join([os.path.join(build, "bin"), os.path.join(llvm, "bin"), os.environ["PATH"]])
config.environment["LC_ALL"] = "C.UTF-8"
config.environment["XDG_CACHE_HOME"] = os.path.join(build, "golden", "cache")
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

root = config.test_source_root
config.substitutions.append(("%status", f"{sys.executable} {root}/status.py"))
config.substitutions.append(("%renumber", f"{sys.executable} {root}/renumber.py"))
config.substitutions.append(("%examples", os.path.normpath(os.path.join(root, "../../examples"))))
