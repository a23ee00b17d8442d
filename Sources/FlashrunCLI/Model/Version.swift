/// The program's version: what `--version` prints and stores record.
package enum Version {
  package static let number = "0.1.0"
  package static let generator = "flashrun \(number)"
}
