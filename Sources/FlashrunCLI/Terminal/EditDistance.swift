/// Levenshtein's distance, to guess which word was meant.
package enum EditDistance {
  package static func between(_ left: String, _ right: String) -> Int {
    let right = Array(right)
    var row = Array(0...right.count)
    for (index, character) in left.enumerated() {
      var diagonal = row[0]
      row[0] = index + 1
      for column in right.indices {
        let substituted = diagonal + (character == right[column] ? 0 : 1)
        diagonal = row[column + 1]
        row[column + 1] = min(substituted, row[column] + 1, diagonal + 1)
      }
    }
    return row[right.count]
  }

  /// Whether two different words are at most two changes apart, one for short ones.
  package static func isNear(_ left: String, _ right: String) -> Bool {
    let distance = between(left, right)
    return distance > 0 && distance <= (right.count > 4 ? 2 : 1)
  }
}
