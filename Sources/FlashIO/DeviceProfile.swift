/// What a device does: bytes a second in long reads, and reads a second at the size in use.
package struct DeviceProfile: Sendable, Equatable {
  /// Bytes a second in sequential reads of 1 MiB at full queue depth.
  package var bandwidth: Double
  /// Reads a second of `readByteCount` bytes at random places, at full queue depth.
  package var readsPerSecond: Double
  /// The size that `readsPerSecond` is for.
  package var readByteCount: Int

  package init(bandwidth: Double, readsPerSecond: Double, readByteCount: Int) {
    precondition(bandwidth > 0 && readsPerSecond > 0, "a device reads")
    self.bandwidth = bandwidth
    self.readsPerSecond = readsPerSecond
    self.readByteCount = readByteCount
  }

  /// The unwanted bytes that take as long as one more read: up to this far apart two extents are
  /// read together.
  package var mergeGap: Int { Int(bandwidth / readsPerSecond) }
}
