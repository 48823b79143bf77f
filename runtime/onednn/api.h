// oneDNN's C interface with owners for its handles. All that differs between oneDNN 2 and 3 is here: descriptors of
// memory are a plain structure in 2 and a handle in 3, and 3 has no descriptors of operations.
//
//   const Engine engine = make_engine();
//   const MemoryDescriptor a({128, 784}, {784, 1}), b({784, 512}, {1, 784}), c({128, 512}, {512, 1});
//   const PrimitiveDescriptor product = matmul_descriptor(engine.get(), a, b, c);
//   const Primitive primitive = make_primitive(product.get());
#pragma once

#include <dnnl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::runtime::onednn {

template <auto destroy>
struct Destroy {
  template <class T>
  void operator()(T* handle) const {
    destroy(handle);
  }
};
using Engine = std::unique_ptr<dnnl_engine, Destroy<dnnl_engine_destroy>>;
using Stream = std::unique_ptr<dnnl_stream, Destroy<dnnl_stream_destroy>>;
using Memory = std::unique_ptr<dnnl_memory, Destroy<dnnl_memory_destroy>>;
using PrimitiveDescriptor = std::unique_ptr<dnnl_primitive_desc, Destroy<dnnl_primitive_desc_destroy>>;
using Primitive = std::unique_ptr<dnnl_primitive, Destroy<dnnl_primitive_destroy>>;
using PrimitiveAttributes = std::unique_ptr<dnnl_primitive_attr, Destroy<dnnl_primitive_attr_destroy>>;

#if DNNL_VERSION_MAJOR >= 3
using MemoryDescriptorPointer = const_dnnl_memory_desc_t;
#else
using MemoryDescriptorPointer = const dnnl_memory_desc_t*;
#endif

using Extents = std::vector<std::int64_t>;

/// A tensor: extents, and strides in elements.
class MemoryDescriptor {
 public:
  MemoryDescriptor(const Extents& extents, const Extents& strides, dnnl_data_type_t type = dnnl_f32);
  /// Of f32, in the format that a primitive likes best.
  static MemoryDescriptor any(const Extents& extents);
  /// A matrix of f32 in tiles of `ir::packed_rows` by one of `ir::packed_columns`.
  static MemoryDescriptor packed(std::int64_t rows, std::int64_t columns, std::int64_t tile_columns);
  static MemoryDescriptor copy(MemoryDescriptorPointer descriptor);
  MemoryDescriptorPointer get() const;
  bool operator==(const MemoryDescriptor& other) const;

 private:
  MemoryDescriptor() = default;
  static MemoryDescriptor with_tag(const Extents& extents, dnnl_format_tag_t tag);

#if DNNL_VERSION_MAJOR >= 3
  std::unique_ptr<dnnl_memory_desc, Destroy<dnnl_memory_desc_destroy>> descriptor_;
#else
  dnnl_memory_desc_t descriptor_;
#endif
};

Engine make_engine();
Stream make_stream(dnnl_engine_t engine);
/// Without data; see dnnl_memory_set_data_handle.
Memory make_memory(dnnl_engine_t engine, MemoryDescriptorPointer descriptor);
/// Null where oneDNN has no such primitive. Its scratchpad is the caller's.
PrimitiveDescriptor matmul_descriptor(dnnl_engine_t engine, const MemoryDescriptor& src,
                                      const MemoryDescriptor& weights, const MemoryDescriptor& dst);
/// Windows over the spatial dimensions; `high` is what the last window needs behind the image.
struct WindowExtents {
  Extents stride, dilation, low, high;
};
/// What a convolution computes: `dst`, or the gradient of one of the others.
enum class Convolved : std::uint8_t { dst, diff_src, diff_weights };
/// Of an implementation's name, as "jit_1x1:avx2": whether it will do.
using Accepts = bool (*)(std::string_view implementation);
bool accepts_all(std::string_view implementation);
/// The first that will do of oneDNN's implementations.
PrimitiveDescriptor convolution_descriptor(dnnl_engine_t engine, Convolved what, const MemoryDescriptor& src,
                                           const MemoryDescriptor& weights, const MemoryDescriptor& dst,
                                           const WindowExtents& window, Accepts accepts);
enum class Pooled : std::uint8_t { maximum, average };
PrimitiveDescriptor pooling_descriptor(dnnl_engine_t engine, Pooled what, bool backward, const MemoryDescriptor& src,
                                       const MemoryDescriptor& dst, const Extents& kernel, const WindowExtents& window);
/// The same elements in another format.
PrimitiveDescriptor reorder_descriptor(dnnl_engine_t engine, const MemoryDescriptor& from, const MemoryDescriptor& to);
/// Whether the primitive is one that serves all formats, slowly.
bool is_reference(const_dnnl_primitive_desc_t descriptor);
/// A memory that the primitive has, by what oneDNN calls it: dnnl_query_weights_md and the like.
MemoryDescriptor memory_of(const_dnnl_primitive_desc_t descriptor, dnnl_query_t what);
MemoryDescriptorPointer scratchpad_of(const_dnnl_primitive_desc_t descriptor);
std::int64_t bytes_of(MemoryDescriptorPointer descriptor);
Primitive make_primitive(const_dnnl_primitive_desc_t descriptor);
/// "oneDNN 2.6.3"
std::string library_version();

}  // namespace nnc::runtime::onednn
