/// One read of one file into memory the caller owns.
///
/// The extent is already widened to the file's direct-I/O unit (`FlashFile.unit`) and the
/// destination is aligned to its `memoryAlignment`. The extent may pass the end of the file only
/// by that widening; the bytes past the end are left as they were.
@unsafe package struct ReadRequest {
  /// Index into the engine's files.
  package var fileIndex: Int
  /// What to read; offset and byte count are multiples of the file's unit.
  package var extent: FileExtent
  /// Where the bytes go: `extent.byteCount` writable bytes, inside the engine's arena where it has
  /// one. The memory stays the engine's until the batch is complete.
  package var destination: UnsafeMutableRawPointer

  package init(fileIndex: Int, extent: FileExtent, destination: UnsafeMutableRawPointer) {
    unsafe self.fileIndex = fileIndex
    unsafe self.extent = extent
    unsafe self.destination = unsafe destination
  }
}
