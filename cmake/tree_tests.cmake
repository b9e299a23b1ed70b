# SPDX-License-Identifier: Apache-2.0
#
# Tests of the tree as a whole: the layers and the style, what docs/protocol.md names, that each header compiles alone,
# that the installed package can be used by a program of another tree, and that the README's commands do what it says.
find_package(Python3 REQUIRED COMPONENTS Interpreter)

add_test(NAME layers_test COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/test/layers_test.py)
add_test(NAME protocol_test COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/test/protocol_test.py)

# A header is compiled alone by its own .cc, which includes it first (layers_test.py holds it to that). Of each one
# that has none there is a source file of one line here: what does not compile alone does not compile.
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
  ${PROJECT_SOURCE_DIR}/zraft/*.h ${PROJECT_SOURCE_DIR}/server/*.h ${PROJECT_SOURCE_DIR}/cli/*.h
  ${PROJECT_SOURCE_DIR}/sim/*.h)
set(alone "")
foreach(header ${headers})
  string(REGEX REPLACE "h$" "cc" own ${PROJECT_SOURCE_DIR}/${header})
  if(EXISTS ${own})
    continue()
  endif()
  set(file ${CMAKE_BINARY_DIR}/headers_alone/${header}.cc)
  file(CONFIGURE OUTPUT ${file} CONTENT "#include \"@header@\"\n" @ONLY)
  list(APPEND alone ${file})
endforeach()
if(alone AND NOT ZRAFT_SANITIZE)
  add_library(headers_alone OBJECT ${alone})
  target_include_directories(headers_alone PRIVATE ${PROJECT_SOURCE_DIR})
endif()

# These two run what was built; a build with sanitizers would need its flags in a tree that does not know them.
if(NOT ZRAFT_SANITIZE)
  add_test(NAME install_test
    COMMAND ${PROJECT_SOURCE_DIR}/test/install_test.sh ${CMAKE_BINARY_DIR} ${CMAKE_CXX_COMPILER})
  set_tests_properties(install_test PROPERTIES TIMEOUT 300)
  add_test(NAME readme_test COMMAND ${PROJECT_SOURCE_DIR}/test/readme_test.sh ${CMAKE_BINARY_DIR})
  set_tests_properties(readme_test PROPERTIES TIMEOUT 120)
endif()
