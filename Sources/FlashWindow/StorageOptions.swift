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

  package init() {}
}
