# nnkernels_target(TARGET): the compiler settings that every target of this project shares.
# No -march: Highway chooses the instruction set at run time. No -ffast-math: NaN, Inf, denormals
# and the order of sums are part of what the kernels promise. -ffp-contract=off: a multiplication
# and an addition are fused where the source says so and nowhere else, on every compiler.
function(nnkernels_target target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual
    -ffp-contract=off -fno-math-errno)
  set(without ${NNKERNELS_WITHOUT_SIMD})
  # SVE's vectors have no size that the compiler knows, and kernels keep them in arrays: Arm means NEON.
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    list(APPEND without SVE SVE2 SVE_256 SVE2_128)
  endif()
  if(without)
    list(TRANSFORM without PREPEND HWY_)
    list(JOIN without "|" without)
    target_compile_definitions(${target} PRIVATE "HWY_DISABLED_TARGETS=(${without})")
  endif()
  # GCC bug 105651: a false alarm about the standard library's operator+ for strings.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  # g++ takes sources that are compiled together for headers, whose unnamed namespaces would be a mistake.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NNKERNELS_UNITY)
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
  if(NNKERNELS_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(NNKERNELS_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${NNKERNELS_SANITIZE}
                           -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${NNKERNELS_SANITIZE})
    # Without the instruction sets below SSE4, which take two fifths of the time to build.
    if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
      target_compile_options(${target} PUBLIC -msse4.2 -maes -mpclmul)
    endif()
    if(NNKERNELS_SANITIZE MATCHES "undefined")
      target_compile_options(${target} PUBLIC -fno-sanitize-recover=undefined)
    endif()
  endif()
endfunction()
