# Installs a build, moves what it installed to another place, and builds and runs the example of README.md with that.
#   cmake -D BUILD=... -D BINARY=... -D GENERATOR=... -D COMPILER=... -P install_test.cmake
include(${CMAKE_CURRENT_LIST_DIR}/build_example.cmake)
set(prefix ${BINARY}/moved)
file(REMOVE_RECURSE ${BINARY})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${BINARY}/prefix
                OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${BINARY}/prefix ${prefix})
build_example(install -D CMAKE_PREFIX_PATH=${prefix})

# All that public headers include, which in the sources is there in any case.
file(GLOB_RECURSE headers ${prefix}/include/*.h)
foreach(header IN LISTS headers)
  file(STRINGS ${header} lines REGEX "^#include \"")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^#include \"(.*)\".*" "\\1" included "${line}")
    if(NOT EXISTS ${prefix}/include/nnkernels/${included})
      message(SEND_ERROR "${header} includes ${included}, which is not installed")
    endif()
  endforeach()
endforeach()

foreach(program IN ITEMS nncli nnbench)
  if(EXISTS ${BUILD}/${program})
    execute_process(COMMAND ${prefix}/bin/${program} --version COMMAND_ERROR_IS_FATAL ANY)
  endif()
endforeach()
