#include "runtime/onednn/api.h"

#include "ir/check.h"
#include "ir/packed.h"

#include <algorithm>
#include <array>
#include <utility>

namespace nnc::runtime::onednn {

namespace {

void check(dnnl_status_t status, const char* what) {
  NNC_CHECK(status == dnnl_success, "oneDNN: {} failed with status {}", what, static_cast<int>(status));
}

/// Extents as oneDNN takes them.
class Dims {
 public:
  explicit Dims(const Extents& extents) {
    NNC_CHECK(extents.size() <= DNNL_MAX_NDIMS, "oneDNN: {} dimensions", extents.size());
    std::copy(extents.begin(), extents.end(), dims_);
  }
  const dnnl_dim_t* get() const { return dims_; }

 private:
  dnnl_dims_t dims_ = {};
};

PrimitiveAttributes make_attributes() {
  dnnl_primitive_attr_t created = nullptr;
  check(dnnl_primitive_attr_create(&created), "attributes");
  PrimitiveAttributes attributes(created);
  check(dnnl_primitive_attr_set_scratchpad_mode(created, dnnl_scratchpad_mode_user), "the scratchpad's mode");
  return attributes;
}

/// By reference: the call that gives the status writes it.
PrimitiveDescriptor made(dnnl_status_t status, const dnnl_primitive_desc_t& descriptor) {
  return PrimitiveDescriptor(status == dnnl_success ? descriptor : nullptr);
}

/// The windows' numbers; oneDNN counts what is left out between two elements of a window.
struct WindowDims {
  explicit WindowDims(const WindowExtents& window)
      : stride(window.stride), dilation(left_out(window.dilation)), low(window.low), high(window.high) {}
  static Extents left_out(Extents dilation) {
    for (std::int64_t& d : dilation) --d;
    return dilation;
  }
  Dims stride, dilation, low, high;
};

std::string_view implementation_of(const_dnnl_primitive_desc_t descriptor) {
  const char* name = nullptr;
  check(dnnl_primitive_desc_query(descriptor, dnnl_query_impl_info_str, 0, &name), "an implementation's name");
  return name;
}

#if DNNL_VERSION_MAJOR >= 3
PrimitiveDescriptor first_accepted(PrimitiveDescriptor descriptor, Accepts accepts) {
  while (descriptor != nullptr && !accepts(implementation_of(descriptor.get())))
    if (dnnl_primitive_desc_next_impl(descriptor.get()) != dnnl_success) descriptor.reset();
  return descriptor;
}
#else
using Implementations = std::unique_ptr<dnnl_primitive_desc_iterator, Destroy<dnnl_primitive_desc_iterator_destroy> >;

PrimitiveDescriptor describe(dnnl_engine_t engine, const void* operation, const_dnnl_primitive_desc_t forward,
                             Accepts accepts = accepts_all) {
  const PrimitiveAttributes attributes = make_attributes();
  dnnl_primitive_desc_iterator_t found = nullptr;
  if (dnnl_primitive_desc_iterator_create(&found, operation, attributes.get(), engine, forward) != dnnl_success)
    return nullptr;
  const Implementations implementations(found);
  do {
    PrimitiveDescriptor descriptor(dnnl_primitive_desc_iterator_fetch(found));
    if (accepts(implementation_of(descriptor.get()))) return descriptor;
  } while (dnnl_primitive_desc_iterator_next(found) == dnnl_success);
  return nullptr;
}
#endif

}  // namespace

bool accepts_all(std::string_view) { return true; }

MemoryDescriptor::MemoryDescriptor(const Extents& extents, const Extents& strides, dnnl_data_type_t type) {
  NNC_CHECK(extents.size() == strides.size(), "oneDNN: {} extents with {} strides", extents.size(), strides.size());
  const int rank = static_cast<int>(extents.size());
#if DNNL_VERSION_MAJOR >= 3
  dnnl_memory_desc_t made = nullptr;
  check(dnnl_memory_desc_create_with_strides(&made, rank, Dims(extents).get(), type, Dims(strides).get()),
        "a memory descriptor");
  descriptor_.reset(made);
#else
  check(dnnl_memory_desc_init_by_strides(&descriptor_, rank, Dims(extents).get(), type, Dims(strides).get()),
        "a memory descriptor");
#endif
}

MemoryDescriptor MemoryDescriptor::with_tag(const Extents& extents, dnnl_format_tag_t tag) {
  MemoryDescriptor result;
  const int rank = static_cast<int>(extents.size());
#if DNNL_VERSION_MAJOR >= 3
  dnnl_memory_desc_t made = nullptr;
  check(dnnl_memory_desc_create_with_tag(&made, rank, Dims(extents).get(), dnnl_f32, tag), "a memory descriptor");
  result.descriptor_.reset(made);
#else
  check(dnnl_memory_desc_init_by_tag(&result.descriptor_, rank, Dims(extents).get(), dnnl_f32, tag),
        "a memory descriptor");
#endif
  return result;
}

MemoryDescriptor MemoryDescriptor::any(const Extents& extents) { return with_tag(extents, dnnl_format_tag_any); }

MemoryDescriptor MemoryDescriptor::packed(std::int64_t rows, std::int64_t columns, std::int64_t tile_columns) {
  // In the order of ir::packed_columns; of packed_rows, which is their 16a.
  static constexpr std::array<dnnl_format_tag_t, ir::packed_columns.size()> tags = {dnnl_BA16a64b, dnnl_BA16a48b,
                                                                                    dnnl_BA16a32b, dnnl_BA16a16b};
  const auto width = std::ranges::find(ir::packed_columns, tile_columns);
  NNC_CHECK(width != ir::packed_columns.end(), "oneDNN: no tiles of {} columns", tile_columns);
  return with_tag({rows, columns}, tags[static_cast<std::size_t>(width - ir::packed_columns.begin())]);
}

MemoryDescriptor MemoryDescriptor::copy(MemoryDescriptorPointer descriptor) {
  MemoryDescriptor result;
#if DNNL_VERSION_MAJOR >= 3
  dnnl_memory_desc_t made = nullptr;
  check(dnnl_memory_desc_clone(&made, descriptor), "a memory descriptor");
  result.descriptor_.reset(made);
#else
  result.descriptor_ = *descriptor;
#endif
  return result;
}

bool MemoryDescriptor::operator==(const MemoryDescriptor& other) const {
  return dnnl_memory_desc_equal(get(), other.get()) != 0;
}

MemoryDescriptorPointer MemoryDescriptor::get() const {
#if DNNL_VERSION_MAJOR >= 3
  return descriptor_.get();
#else
  return &descriptor_;
#endif
}

Engine make_engine() {
  dnnl_engine_t engine = nullptr;
  check(dnnl_engine_create(&engine, dnnl_cpu, 0), "the engine");
  return Engine(engine);
}

Stream make_stream(dnnl_engine_t engine) {
  dnnl_stream_t stream = nullptr;
  check(dnnl_stream_create(&stream, engine, dnnl_stream_in_order), "the stream");
  return Stream(stream);
}

Memory make_memory(dnnl_engine_t engine, MemoryDescriptorPointer descriptor) {
  dnnl_memory_t memory = nullptr;
  check(dnnl_memory_create(&memory, descriptor, engine, DNNL_MEMORY_NONE), "a memory object");
  return Memory(memory);
}

PrimitiveDescriptor matmul_descriptor(dnnl_engine_t engine, const MemoryDescriptor& src,
                                      const MemoryDescriptor& weights, const MemoryDescriptor& dst) {
#if DNNL_VERSION_MAJOR >= 3
  dnnl_primitive_desc_t descriptor = nullptr;
  return made(dnnl_matmul_primitive_desc_create(&descriptor, engine, src.get(), weights.get(), nullptr, dst.get(),
                                                make_attributes().get()),
              descriptor);
#else
  dnnl_matmul_desc_t operation;
  check(dnnl_matmul_desc_init(&operation, src.get(), weights.get(), nullptr, dst.get()), "a matmul's descriptor");
  return describe(engine, &operation, nullptr);
#endif
}

PrimitiveDescriptor convolution_descriptor(dnnl_engine_t engine, Convolved what, const MemoryDescriptor& src,
                                           const MemoryDescriptor& weights, const MemoryDescriptor& dst,
                                           const WindowExtents& window, Accepts accepts) {
  const WindowDims w(window);
#if DNNL_VERSION_MAJOR >= 3
  dnnl_primitive_desc_t descriptor = nullptr;
  const PrimitiveAttributes attributes = make_attributes();
  PrimitiveDescriptor result =
      made(dnnl_convolution_forward_primitive_desc_create(
               &descriptor, engine, dnnl_forward_training, dnnl_convolution_direct, src.get(), weights.get(), nullptr,
               dst.get(), w.stride.get(), w.dilation.get(), w.low.get(), w.high.get(), attributes.get()),
           descriptor);
  if (result != nullptr && what == Convolved::diff_src)
    result = made(dnnl_convolution_backward_data_primitive_desc_create(
                      &descriptor, engine, dnnl_convolution_direct, src.get(), weights.get(), dst.get(), w.stride.get(),
                      w.dilation.get(), w.low.get(), w.high.get(), result.get(), attributes.get()),
                  descriptor);
  if (result != nullptr && what == Convolved::diff_weights)
    result = made(dnnl_convolution_backward_weights_primitive_desc_create(
                      &descriptor, engine, dnnl_convolution_direct, src.get(), weights.get(), nullptr, dst.get(),
                      w.stride.get(), w.dilation.get(), w.low.get(), w.high.get(), result.get(), attributes.get()),
                  descriptor);
  return first_accepted(std::move(result), accepts);
#else
  dnnl_convolution_desc_t operation;
  if (dnnl_dilated_convolution_forward_desc_init(&operation, dnnl_forward_training, dnnl_convolution_direct, src.get(),
                                                 weights.get(), nullptr, dst.get(), w.stride.get(), w.dilation.get(),
                                                 w.low.get(), w.high.get()) != dnnl_success)
    return nullptr;
  if (what == Convolved::dst) return describe(engine, &operation, nullptr, accepts);
  const PrimitiveDescriptor forward = describe(engine, &operation, nullptr);
  if (forward == nullptr) return nullptr;
  const dnnl_status_t status = what == Convolved::diff_src
                                   ? dnnl_dilated_convolution_backward_data_desc_init(
                                         &operation, dnnl_convolution_direct, src.get(), weights.get(), dst.get(),
                                         w.stride.get(), w.dilation.get(), w.low.get(), w.high.get())
                                   : dnnl_dilated_convolution_backward_weights_desc_init(
                                         &operation, dnnl_convolution_direct, src.get(), weights.get(), nullptr,
                                         dst.get(), w.stride.get(), w.dilation.get(), w.low.get(), w.high.get());
  return status == dnnl_success ? describe(engine, &operation, forward.get(), accepts) : nullptr;
#endif
}

PrimitiveDescriptor pooling_descriptor(dnnl_engine_t engine, Pooled what, bool backward, const MemoryDescriptor& src,
                                       const MemoryDescriptor& dst, const Extents& kernel_extents,
                                       const WindowExtents& window) {
  const dnnl_alg_kind_t algorithm = what == Pooled::maximum ? dnnl_pooling_max : dnnl_pooling_avg_include_padding;
  const WindowDims w(window);
  const Dims kernel(kernel_extents);
#if DNNL_VERSION_MAJOR >= 3
  dnnl_primitive_desc_t descriptor = nullptr;
  PrimitiveDescriptor forward =
      made(dnnl_pooling_forward_primitive_desc_create(&descriptor, engine, dnnl_forward_training, algorithm, src.get(),
                                                      dst.get(), w.stride.get(), kernel.get(), w.dilation.get(),
                                                      w.low.get(), w.high.get(), make_attributes().get()),
           descriptor);
  if (!backward || forward == nullptr) return forward;
  return made(dnnl_pooling_backward_primitive_desc_create(&descriptor, engine, algorithm, src.get(), dst.get(),
                                                          w.stride.get(), kernel.get(), w.dilation.get(), w.low.get(),
                                                          w.high.get(), forward.get(), make_attributes().get()),
              descriptor);
#else
  dnnl_pooling_v2_desc_t operation;
  if (dnnl_pooling_v2_forward_desc_init(&operation, dnnl_forward_training, algorithm, src.get(), dst.get(),
                                        w.stride.get(), kernel.get(), w.dilation.get(), w.low.get(),
                                        w.high.get()) != dnnl_success)
    return nullptr;
  PrimitiveDescriptor forward = describe(engine, &operation, nullptr);
  if (!backward || forward == nullptr) return forward;
  if (dnnl_pooling_v2_backward_desc_init(&operation, algorithm, src.get(), dst.get(), w.stride.get(), kernel.get(),
                                         w.dilation.get(), w.low.get(), w.high.get()) != dnnl_success)
    return nullptr;
  return describe(engine, &operation, forward.get());
#endif
}

PrimitiveDescriptor reorder_descriptor(dnnl_engine_t engine, const MemoryDescriptor& from, const MemoryDescriptor& to) {
  dnnl_primitive_desc_t descriptor = nullptr;
  return made(
      dnnl_reorder_primitive_desc_create(&descriptor, from.get(), engine, to.get(), engine, make_attributes().get()),
      descriptor);
}

bool is_reference(const_dnnl_primitive_desc_t descriptor) { return implementation_of(descriptor).starts_with("ref"); }

MemoryDescriptor memory_of(const_dnnl_primitive_desc_t descriptor, dnnl_query_t what) {
  return MemoryDescriptor::copy(dnnl_primitive_desc_query_md(descriptor, what, 0));
}

MemoryDescriptorPointer scratchpad_of(const_dnnl_primitive_desc_t descriptor) {
  return dnnl_primitive_desc_query_md(descriptor, dnnl_query_scratchpad_md, 0);
}

std::int64_t bytes_of(MemoryDescriptorPointer descriptor) {
  return static_cast<std::int64_t>(dnnl_memory_desc_get_size(descriptor));
}

Primitive make_primitive(const_dnnl_primitive_desc_t descriptor) {
  dnnl_primitive_t primitive = nullptr;
  check(dnnl_primitive_create(&primitive, descriptor), "a primitive");
  return Primitive(primitive);
}

std::string library_version() {
  const dnnl_version_t* const version = dnnl_version();
  return fmt::format("oneDNN {}.{}.{}", version->major, version->minor, version->patch);
}

}  // namespace nnc::runtime::onednn
