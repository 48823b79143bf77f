#include "runtime/onednn/api.h"

#include "ir/check.h"

#include <algorithm>

namespace nnc::runtime::onednn {

namespace {

void check(dnnl_status_t status, const char* what) {
  NNC_CHECK(status == dnnl_success, "oneDNN: {} failed with status {}", what, static_cast<int>(status));
}

}  // namespace

MemoryDescriptor::MemoryDescriptor(const Extents& extents, const Extents& strides) {
  NNC_CHECK(extents.size() == strides.size() && extents.size() <= DNNL_MAX_NDIMS, "oneDNN: {} extents with {} strides",
            extents.size(), strides.size());
  dnnl_dims_t given_extents, given_strides;
  std::copy(extents.begin(), extents.end(), given_extents);
  std::copy(strides.begin(), strides.end(), given_strides);
  const int rank = static_cast<int>(extents.size());
#if DNNL_VERSION_MAJOR >= 3
  dnnl_memory_desc_t made = nullptr;
  check(dnnl_memory_desc_create_with_strides(&made, rank, given_extents, dnnl_f32, given_strides),
        "a memory descriptor");
  descriptor_.reset(made);
#else
  check(dnnl_memory_desc_init_by_strides(&descriptor_, rank, given_extents, dnnl_f32, given_strides),
        "a memory descriptor");
#endif
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
  dnnl_primitive_attr_t created = nullptr;
  check(dnnl_primitive_attr_create(&created), "attributes");
  const PrimitiveAttributes attributes(created);
  check(dnnl_primitive_attr_set_scratchpad_mode(attributes.get(), dnnl_scratchpad_mode_user), "the scratchpad's mode");

  dnnl_primitive_desc_t descriptor = nullptr;
#if DNNL_VERSION_MAJOR >= 3
  const dnnl_status_t status = dnnl_matmul_primitive_desc_create(&descriptor, engine, src.get(), weights.get(), nullptr,
                                                                 dst.get(), attributes.get());
#else
  dnnl_matmul_desc_t operation;
  check(dnnl_matmul_desc_init(&operation, src.get(), weights.get(), nullptr, dst.get()), "a matmul's descriptor");
  const dnnl_status_t status = dnnl_primitive_desc_create(&descriptor, &operation, attributes.get(), engine, nullptr);
#endif
  return PrimitiveDescriptor(status == dnnl_success ? descriptor : nullptr);
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
