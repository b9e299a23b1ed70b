# SPDX-License-Identifier: Apache-2.0
#
# zraft_layer(name DEPENDS ...): a library of every .cc in this folder, known to users as zraft::name.
function(zraft_layer name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  if(NOT sources)
    add_library(zraft_${name} INTERFACE)
    set(scope INTERFACE)
    target_link_libraries(zraft_${name} INTERFACE ${ARG_DEPENDS})
  else()
    add_library(zraft_${name} STATIC ${sources})
    set(scope PUBLIC)
    target_link_libraries(zraft_${name} PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE})
    set_target_properties(zraft_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  endif()
  target_include_directories(zraft_${name} ${scope}
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(zraft_${name} ${scope} cxx_std_23)
  add_library(zraft::${name} ALIAS zraft_${name})
  set_target_properties(zraft_${name} PROPERTIES EXPORT_NAME ${name})
  install(TARGETS zraft_${name} EXPORT zraft)
endfunction()
