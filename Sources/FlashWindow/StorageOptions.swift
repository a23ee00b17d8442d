package import FlashIO

/// How much memory the process may take and how flash is read.
package struct StorageOptions: Sendable {
  /// Bytes of the whole process; nil plans for everything resident.
  package var memoryLimit: Int?
  /// Tokens for which neurons stay in the window cache; nil keeps them while there is room.
  package var window: Int?
  package var engine = ReadEngineSelection.Choice.auto
  package var direct = DirectMode.auto
  package var queueDepth = 64
  /// Unwanted bytes between two missing neurons up to which they are read together; 0 merges only
  /// what touches, a negative number nothing.
  package var mergeGapByteCount = DeviceProfile(
    bandwidth: 1.2e9, readsPerSecond: 100_000, readByteCount: 4608
  ).mergeGap
  /// A merged read brings at most this many times the bytes of separate ones.
  package var readAmplificationLimit = 2.0

  package init() {}
}
