# Everything comes from the distribution's packages. Versions: the oldest that is tested (Debian 12).
# Static libraries pass these on, so a project that embeds this one must see them as well.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
find_package(TBB 2021.8 CONFIG REQUIRED)
find_package(hwy 1.0.3 CONFIG REQUIRED)

if(NNKERNELS_BUILD_NN)
  find_package(PkgConfig REQUIRED)
  find_package(ZLIB 1.2.13 REQUIRED)                # IDX.gz
  find_package(nlohmann_json 3.11 CONFIG REQUIRED)  # headers of model files, JSON output
  pkg_check_modules(LIBDEFLATE REQUIRED IMPORTED_TARGET GLOBAL libdeflate>=1.14)  # most IDX.gz, faster
  pkg_check_modules(NETTLE REQUIRED IMPORTED_TARGET GLOBAL nettle>=3.8)  # SHA-256
  # Only reading PNG images needs libpng; without it, PGM images still work.
  find_package(PNG 1.6)
endif()
if(NNKERNELS_BUILD_CLI)
  find_package(CLI11 2.1.2 CONFIG REQUIRED)
  find_package(tomlplusplus 3.3 CONFIG REQUIRED)  # configuration files
endif()
if(NNKERNELS_BUILD_BENCH)
  find_package(benchmark 1.7.1 CONFIG REQUIRED)
  # What nnbench can race against besides any BLAS; without them, it says so when asked.
  find_package(Eigen3 3.4 CONFIG QUIET)
endif()
# Code of others, not made for sanitizers.
if((NNKERNELS_BUILD_BENCH OR NNKERNELS_BUILD_TESTS) AND NOT NNKERNELS_SANITIZE)
  include(cmake/find_onednn.cmake)  # a peer of nnbench, and a judge in tests/oracle
endif()
if(NNKERNELS_BUILD_TESTS)
  find_package(GTest 1.12 CONFIG REQUIRED)
endif()
