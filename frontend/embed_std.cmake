# Writes OUTPUT, a C++ file that holds every file of SOURCES as a raw string.
#   cmake -D OUTPUT=std_sources.cpp -D "SOURCES=a.nn;b.nn" -P embed_std.cmake
set(text "#include \"frontend/std_sources.h\"\n\nnamespace nnc::frontend {\n\nconst std::vector<StdSource>& std_sources() {\n  static const std::vector<StdSource> sources = {\n")
foreach(source IN LISTS SOURCES)
  get_filename_component(name ${source} NAME)
  file(READ ${source} content)
  string(APPEND text "      {\"std/${name}\", R\"nnc_std(${content})nnc_std\"},\n")
endforeach()
string(APPEND text "  };\n  return sources;\n}\n\n}  // namespace nnc::frontend\n")
file(WRITE ${OUTPUT} "${text}")
