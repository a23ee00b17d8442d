/// An open safetensors file whose header has been checked; what it names can be read.
package final class SafetensorsFile: Sendable {
  package let path: String
  package let header: SafetensorsHeader
  /// The header's text as it lies in the file, for the source's digest.
  package let headerText: [UInt8]
  let data: SourceFile

  /// Opens and checks. Throws a `StoreError` naming the file, and where it can the offset and the
  /// tensor. Cost: the header is read, the data is not.
  package init(path: String) throws(StoreError) {
    data = try SourceFile(path)
    self.path = path
    let byteCount = data.byteCount
    let start = try data.file.bytes(at: 0, byteCount: min(byteCount, 40))
    try FileKind.refuseOthers(start: start, file: path)
    let count = try SafetensorsHeader.byteCount(
      lengthField: Array(start.prefix(8)), fileByteCount: byteCount, file: path)
    headerText = try data.file.bytes(at: 8, byteCount: count)
    header = try SafetensorsHeader(json: headerText, fileByteCount: byteCount, file: path)
  }
}

/// Files that are often found where a safetensors file is expected, told by their first bytes.
enum FileKind {
  static func refuseOthers(start: [UInt8], file: String) throws(StoreError) {
    if start.starts(with: Array("version https://git-lfs".utf8)) {
      throw StoreError(
        .pointerFile,
        "is a Git LFS pointer, not the file itself; fetch it with \"git lfs pull\" in its folder",
        file: file, offset: 0)
    }
    if start.starts(with: Array("GGUF".utf8)) || start.starts(with: Array("PWRI".utf8)) {
      throw StoreError(
        .notACheckpoint, "is a GGUF file where another was expected; give its own path", file: file)
    }
    if start.starts(with: [0x50, 0x4B, 0x03, 0x04]) {
      throw StoreError(.pickledWeights, Self.pickleAdvice, file: file)
    }
  }

  /// How to get from PyTorch's pickles to safetensors.
  static let pickleAdvice =
    "holds PyTorch pickles, which can run code when read and are refused; convert them once with: "
    + "python3 -c \"from transformers import AutoModelForCausalLM as M; "
    + "M.from_pretrained('SRC', torch_dtype='auto').save_pretrained('DST', "
    + "safe_serialization=True)\""
}
