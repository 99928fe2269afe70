// What JavaScript can look at: segment tables, directories, counters.
#include "addon_endpoint.hpp"
#include "addon_values.hpp"

namespace rsm::addon {
namespace {

void setGeometry(Napi::Object& row, const SegmentGeometry& g) {
  row.Set("partitionSize", g.partitionSize);
  row.Set("partitions", g.partitions);
  row.Set("spanFactor", g.spanFactor);
}

}  // namespace

Napi::Value NativeEndpoint::tables(const Napi::CallbackInfo&) {
  auto out = Napi::Object::New(env_);
  const auto segments = Napi::Array::New(env_);
  const auto groups = Napi::Array::New(env_);
  for (const auto& [id, entry] : endpoint().segmentTable().entries()) {
    auto row = Napi::Object::New(env_);
    row.Set("id", id);
    row.Set("connection", entry.connection);
    row.Set("role", entry.source ? "source" : "target");
    row.Set("interconnect", entry.interconnect);
    setGeometry(row, entry.descriptor.geometry);
    row.Set("offset", static_cast<double>(entry.descriptor.offset));
    row.Set("length", static_cast<double>(entry.descriptor.length));
    segments.Set(segments.Length(), row);
  }
  for (const auto& [id, entry] : endpoint().groupTable().entries()) {
    const Connection* c = endpoint().find(entry.connection);
    if (!c || !c->source) continue;
    const bool out = entry.direction == Direction::kOut;
    auto row = Napi::Object::New(env_);
    row.Set("id", id);
    row.Set("connection", entry.connection);
    row.Set("direction", out ? "out" : "in");
    row.Set("number", entry.number);
    row.Set("segment", entry.segment);
    setGeometry(row, (out ? c->source->layout() : c->target->layout()).segments[entry.number].geometry);
    if (out) {
      const auto& use = c->source->directory().use(entry.number);
      row.Set("messages", static_cast<double>(use.messages));
      row.Set("bytes", static_cast<double>(use.bytes));
      row.Set("partitionsTaken", c->source->directory().map(entry.number).takenCount());
      row.Set("highWater", use.highWater);
    } else {
      row.Set("messages", static_cast<double>(c->target->received(entry.number)));
      row.Set("bytes", static_cast<double>(c->target->receivedBytes(entry.number)));
      row.Set("partitionsTaken", c->target->heldPartitions(entry.number));
      row.Set("highWater", c->target->highWater(entry.number));
    }
    groups.Set(groups.Length(), row);
  }
  out.Set("segments", segments);
  out.Set("groups", groups);
  return out;
}

Napi::Value NativeEndpoint::directory(const Napi::CallbackInfo& info) {
  const auto rows = Napi::Array::New(env_);
  const Connection* c = endpoint().find(number(info[0]));
  const bool out = info[1].ToString().Utf8Value() == "out";
  const uint32_t group = number(info[2]);
  if (!c || !c->source) return rows;
  const auto& segments = (out ? c->source->layout() : c->target->layout()).segments;
  if (group >= segments.size()) return rows;
  uint32_t next = layout::kEndOfSpan;
  for (uint32_t i = 0; i < segments[group].geometry.partitions; ++i) {
    auto row = Napi::Object::New(env_);
    if (out) {
      const InFlight& span = c->source->directory().row(c->source->layout().firstCell[group] + i);
      const bool first = span.sequence != 0;
      if (first) next = i + span.count;
      const bool taken = c->source->directory().map(group).taken(i);
      row.Set("first", first);
      row.Set("taken", taken);
      row.Set("next", taken && i + 1 < next ? static_cast<double>(i + 1) : -1);
      row.Set("length", first ? span.length : 0);
    } else {
      const TargetChannel::Entry entry = c->target->entry(group, i);
      row.Set("first", entry.first);
      row.Set("taken", false);
      row.Set("next", entry.next == layout::kEndOfSpan ? -1 : static_cast<double>(entry.next));
      row.Set("length", entry.length);
    }
    rows.Set(i, row);
  }
  return rows;
}

Napi::Value NativeEndpoint::counters(const Napi::CallbackInfo&) {
  const Counters c = endpoint().counters();
  auto o = Napi::Object::New(env_);
  const auto set = [&](const char* name, uint64_t value) { o.Set(name, static_cast<double>(value)); };
  set("messagesSent", c.messagesSent);
  set("messagesReceived", c.messagesReceived);
  set("bytesSent", c.bytesSent);
  set("bytesReceived", c.bytesReceived);
  set("waits", c.waits);
  set("doorbellsRung", c.doorbellsRung);
  set("wakes", c.wakes);
  set("polls", c.polls);
  set("sleeps", c.sleeps);
  set("refused", c.refused);
#if defined(RSM_WAKE_CHECKS)
  set("wakeChecks", c.wakeChecks);
  set("missedWakes", c.missedWakes);
#endif
  set("connections", endpoint().connections());
  set("reservedBytes", endpoint().reservedBytes());
  return o;
}

}  // namespace rsm::addon
