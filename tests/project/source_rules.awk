# The rules themselves; source_rules.sh says which files to read.

function violation(reason) {
  printf "%s:%d: %s\n    %s\n", FILENAME, FNR, reason, $0
  violations++
}

# Is `included`, a path from the project's root, a file that `folder` may know about?
function may_include(folder, included) {
  if (folder == "tests") return included ~ /^(kernels|nn|cli|bench|blas|tests)\//
  if (folder == "fuzz") return included ~ /^(kernels|nn|cli|fuzz)\//
  if (folder == "blas") return included ~ /^(kernels|blas)\//
  if (folder == "bench") return included ~ /^(kernels|nn|bench)\//
  if (folder == "cli") return included ~ /^(kernels|nn|cli)\//
  if (folder == "nn") return included ~ /^(kernels|nn)\//
  return included ~ /^kernels\//
}

function check_include(included, quoted) {
  if (included ~ /^(oneapi\/)?tbb(\/|\.h)/) {
    if (FILENAME != "kernels/parallel.cc") violation("only kernels/parallel.cc includes oneTBB")
  } else if (included ~ /^hwy\//) {
    if (folder == "nn" || folder == "cli")
      violation("only kernels (and bench, tests) include Highway")
    else if (FILENAME ~ /\.h$/ && FILENAME !~ /-inl\.h$/)
      violation("a header that is not -inl.h must not include Highway")
  } else if (included ~ /^CLI\//) {
    if (FILENAME !~ /^cli\/(options|option_kinds|exchange_options)\.(h|cc)$/)
      violation("only cli/options.cc, cli/option_kinds and cli/exchange_options include CLI11")
  } else if (included ~ /^toml\+\+\//) {
    if (FILENAME != "cli/config_file.cc") violation("only cli/config_file.cc includes toml++")
  } else if (included ~ /^(zlib\.h|zconf\.h|libdeflate\.h|png\.h|pngconf\.h|nettle\/|nlohmann\/)/) {
    if (folder != "tests" && FILENAME !~ /^nn\/data\/.*\.cc$/ && FILENAME != "nn/model_file.cc")
      violation("only the sources of nn/data and nn/model_file.cc include zlib, libdeflate, libpng, Nettle or JSON")
  } else if (included ~ /^benchmark\//) {
    if (folder != "bench") violation("only bench includes Google Benchmark")
  } else if (included ~ /^g(test|mock)\//) {
    if (folder != "tests") violation("only tests include GoogleTest")
  } else if (quoted && !may_include(folder, included)) {
    violation("includes go cli -> nn -> kernels, each named from the project's root")
  }
}

FNR == 1 {
  folder = FILENAME
  sub(/\/.*/, "", folder)
  is_source = FILENAME ~ /\.(h|cc)$/
}

is_source && /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
  included = $0
  sub(/^[^<"]*[<"]/, "", included)
  sub(/[>"].*/, "", included)
  check_include(included, $0 ~ /include[ \t]*"/)
}

is_source && /#[ \t]*pragma[ \t]+(GCC[ \t]+optimize|STDC[ \t]+FP_CONTRACT|clang[ \t]+fp)/ {
  violation("floating-point semantics are set for the whole project, in cmake/compiler.cmake")
}

# Two files of a library that instantiate templates of one name for the same arguments define one
# function twice, and no linker complains: it takes either.
is_source && (/^template [^<]/ || instance != "") {
  instance = instance " " $0
  if ($0 ~ /;[ \t]*$/) {
    gsub(/<(float|double)>\(/, "(", instance)
    gsub(/[ \t]+/, " ", instance)
    if (instance ~ /\(/ && (folder, instance) in instantiated) {
      if (instantiated[folder, instance] != FILENAME)
        violation("instantiated in " instantiated[folder, instance] ", too")
    }
    instantiated[folder, instance] = FILENAME
    instance = ""
  }
}

!is_source {
  settings = $0
  sub(/(^|[ \t])#.*/, "", settings)
  if (settings ~ /-march=|-mcpu=native|-mtune=native|-Ofast|-f(fast|unsafe|finite|associative)-math/)
    violation("no flag may tie the build to one machine or loosen floating-point semantics")
}

END { exit violations > 0 }
