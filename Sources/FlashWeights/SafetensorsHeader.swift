package import FlashIO

/// The header of a safetensors file, checked against the file's length.
///
/// Format: `u64` little-endian header length N, N bytes of JSON, data; the tensors cover the data
/// without holes or overlap, in any order of names (huggingface/safetensors, README and
/// `src/tensor.rs`). Everything the format demands is checked here, so that whoever holds a header
/// can read every tensor it names without leaving the file.
package struct SafetensorsHeader: Sendable {
  /// The longest header the format allows.
  package static let maximumByteCount = 100_000_000

  package let tensors: [SafetensorsTensor]
  package let metadata: [String: String]
  /// Where the data starts in the file.
  package let dataOffset: Int

  /// Reads the length field. Throws `headerTooSmall`, `headerTooLarge` or `headerLength`.
  static func byteCount(
    lengthField: [UInt8], fileByteCount: Int, file: String
  ) throws(StoreError) -> Int {
    guard lengthField.count == 8, fileByteCount >= 8 else {
      throw StoreError(
        .headerTooSmall, "is too short for a safetensors file", file: file,
        expected: "at least 8 bytes", found: "\(fileByteCount)")
    }
    let count = lengthField.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard count <= UInt64(maximumByteCount) else {
      throw StoreError(
        .headerTooLarge, "the header is longer than the format allows", file: file, offset: 0,
        expected: "at most \(maximumByteCount) bytes", found: "\(count)")
    }
    guard Int(count) <= fileByteCount - 8 else {
      throw StoreError(
        .headerLength, "the header runs past the end of the file", file: file, offset: 0,
        expected: "at most \(fileByteCount - 8) bytes", found: "\(count)")
    }
    return Int(count)
  }

  /// Checks the header's JSON text of a file of `fileByteCount` bytes. `file` is for messages.
  package init(json: [UInt8], fileByteCount: Int, file: String) throws(StoreError) {
    let blanks = Array(" \t\r\n".utf8)
    guard let first = json.first(where: { !blanks.contains($0) }) else {
      throw StoreError(.headerNotJSON, "the header is empty", file: file, offset: 8)
    }
    guard String(validating: json, as: UTF8.self) != nil else {
      throw StoreError(.headerNotUTF8, "the header is not UTF-8 text", file: file, offset: 8)
    }
    guard first == UInt8(ascii: "{") else {
      throw StoreError(
        .headerNotJSON, "the header is no JSON object", file: file, offset: 8, expected: "\"{\"",
        found: "byte \(first)")
    }
    let contents = try JSONText.decode(
      Contents.self, from: json, kind: .headerNotJSON, file: file)
    if let (key, offset) = DuplicateKeys.first(in: json) {
      throw StoreError(
        .duplicateKey, "the header holds the key \"\(key)\" twice", file: file, offset: 8 + offset,
        tensor: contents.entries[key] == nil ? nil : key)
    }
    dataOffset = 8 + json.count
    metadata = contents.metadata
    tensors = try Self.check(
      contents.entries, dataOffset: dataOffset, fileByteCount: fileByteCount, file: file)
  }

  /// The entries in the order of their data, each checked.
  private static func check(
    _ entries: [String: Entry], dataOffset: Int, fileByteCount: Int, file: String
  ) throws(StoreError) -> [SafetensorsTensor] {
    var tensors: [SafetensorsTensor] = []
    tensors.reserveCapacity(entries.count)
    for (name, entry) in entries {
      tensors.append(try entry.checked(name: name, dataOffset: dataOffset, file: file))
    }
    tensors.sort { a, b in
      (a.extent.offset, a.extent.end, a.name) < (b.extent.offset, b.extent.end, b.name)
    }
    var end = dataOffset
    for tensor in tensors {
      guard tensor.extent.offset == end else {
        throw StoreError(
          .invalidOffset,
          tensor.extent.offset > end
            ? "leaves a hole after the tensor before it" : "overlaps the tensor before it",
          file: file, offset: tensor.extent.offset, tensor: tensor.name, expected: "offset \(end)",
          found: "\(tensor.extent.offset)")
      }
      end = tensor.extent.end
    }
    for tensor in tensors { try tensor.checkSize(file: file) }
    guard end == fileByteCount else {
      throw StoreError(
        .dataLength, "the tensors do not end where the file ends", file: file, offset: end,
        tensor: tensors.last?.name, expected: "\(end) bytes", found: "\(fileByteCount)")
    }
    return tensors
  }
}

/// One tensor of a safetensors file.
package struct SafetensorsTensor: Equatable, Sendable {
  package let name: String
  package let type: SafetensorsType
  package let shape: [Int]
  /// Where the tensor lies in the file; while a file is planned, from the start of its data.
  package let extent: FileExtent

  /// Throws unless the extent holds exactly the shape's values.
  fileprivate func checkSize(file: String) throws(StoreError) {
    var bits = type.bitCount
    for size in shape {
      let (product, overflow) = bits.multipliedReportingOverflow(by: size)
      guard !overflow else {
        throw StoreError(
          .sizeOverflow, "the shape \(shape) overflows", file: file, offset: extent.offset,
          tensor: name)
      }
      bits = product
    }
    guard bits % 8 == 0, bits / 8 == extent.byteCount else {
      throw StoreError(
        .sizeMismatch, "the shape \(shape) of \(type.rawValue) contradicts its data_offsets",
        file: file, offset: extent.offset, tensor: name, expected: "\(bits) bits",
        found: "\(extent.byteCount) bytes")
    }
  }
}

/// The element types of the safetensors format.
package enum SafetensorsType: String, Codable, Sendable {
  case bool = "BOOL"
  case f4 = "F4"
  case f6E2M3 = "F6_E2M3"
  case f6E3M2 = "F6_E3M2"
  case u8 = "U8"
  case i8 = "I8"
  case f8E5M2 = "F8_E5M2"
  case f8E4M3 = "F8_E4M3"
  case f8E8M0 = "F8_E8M0"
  case f8E4M3FNUZ = "F8_E4M3FNUZ"
  case f8E5M2FNUZ = "F8_E5M2FNUZ"
  case i16 = "I16"
  case u16 = "U16"
  case f16 = "F16"
  case bf16 = "BF16"
  case i32 = "I32"
  case u32 = "U32"
  case f32 = "F32"
  case c64 = "C64"
  case f64 = "F64"
  case i64 = "I64"
  case u64 = "U64"

  package var bitCount: Int {
    switch self {
    case .f4: 4
    case .f6E2M3, .f6E3M2: 6
    case .bool, .u8, .i8, .f8E5M2, .f8E4M3, .f8E8M0, .f8E4M3FNUZ, .f8E5M2FNUZ: 8
    case .i16, .u16, .f16, .bf16: 16
    case .i32, .u32, .f32: 32
    case .c64, .f64, .i64, .u64: 64
    }
  }
}

/// One tensor's entry as the JSON has it, nothing believed yet.
private struct Entry: Decodable {
  var dtype: String
  var shape: [UInt64]
  var dataOffsets: [UInt64]

  enum CodingKeys: String, CodingKey {
    case dtype, shape
    case dataOffsets = "data_offsets"
  }

  func checked(
    name: String, dataOffset: Int, file: String
  ) throws(StoreError) -> SafetensorsTensor {
    guard let type = SafetensorsType(rawValue: dtype) else {
      throw StoreError(
        .unknownDataType, "has an element type the format does not know", file: file, tensor: name,
        found: "\"\(dtype)\"")
    }
    guard shape.allSatisfy({ $0 <= Int.max }) else {
      throw StoreError(
        .sizeOverflow, "has an impossible dimension", file: file, tensor: name,
        found: "\(shape)")
    }
    guard dataOffsets.count == 2 else {
      throw StoreError(
        .invalidTensorEntry, "data_offsets must be two numbers", file: file, tensor: name,
        found: "\(dataOffsets)")
    }
    guard dataOffsets[0] <= dataOffsets[1], dataOffsets[1] <= Int.max - dataOffset else {
      throw StoreError(
        .invalidOffset, "data_offsets are no range", file: file, tensor: name,
        found: "\(dataOffsets)")
    }
    return SafetensorsTensor(
      name: name, type: type, shape: shape.map { Int($0) },
      extent: FileExtent(
        offset: dataOffset + Int(dataOffsets[0]), byteCount: Int(dataOffsets[1] - dataOffsets[0])))
  }
}

/// The JSON object of a header: `__metadata__` and the tensors.
private struct Contents: Decodable {
  var metadata: [String: String] = [:]
  var entries: [String: Entry] = [:]

  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init?(intValue: Int) { nil }
    init?(stringValue: String) { self.stringValue = stringValue }
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    for key in container.allKeys {
      if key.stringValue == "__metadata__" {
        metadata = try container.decode([String: String].self, forKey: key)
      } else {
        entries[key.stringValue] = try container.decode(Entry.self, forKey: key)
      }
    }
  }
}
