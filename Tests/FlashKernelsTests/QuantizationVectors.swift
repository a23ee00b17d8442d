import FoundationEssentials

/// The quantization vectors made with GGML, in `shared/vectors/quants` beside the package:
/// `input.f32` quantized (`NAME.blocks`) and back (`NAME.dequant.f32`), 8 rows of 1024.
enum QuantizationVectors {
  static let rows = 8
  static let width = 1024

  private static let folder: String = {
    let package = #filePath.split(separator: "/").dropLast(3)
    return "/" + package.dropLast().joined(separator: "/") + "/shared/vectors/quants/"
  }()

  static let areThere = FileManager.default.fileExists(atPath: folder + "manifest.json")

  static func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: folder + name)))
  }

  /// A file of little-endian f32, as the 8 rows.
  static func floatRows(_ name: String) throws -> [[Float]] {
    let bytes = try bytes(name)
    return (0..<rows).map { row in
      (0..<width).map { i in
        let at = 4 * (row * width + i)
        return Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << (8 * $1) })
      }
    }
  }

  /// The 8 rows of `NAME.blocks`, in GGML's order of bytes.
  static func blockRows(_ name: String) throws -> [[UInt8]] {
    let bytes = try bytes(name)
    let stride = bytes.count / rows
    return (0..<rows).map { Array(bytes[$0 * stride..<($0 + 1) * stride]) }
  }
}
