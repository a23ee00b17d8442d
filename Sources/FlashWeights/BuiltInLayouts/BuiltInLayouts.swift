// Made by scripts/embed-layouts from layouts/*.json; edit those and run it again.

/// The layouts inside the binary: the text of each file of `layouts/` by its name.
package enum BuiltInLayouts {
  package static let texts: [(name: String, text: String)] = [
    ("bamboo", bamboo),
    ("deci", deci),
    ("llama", llama),
    ("opt", opt),
    ("prosparse", prosparse),
  ]
}
