/// What a synthetic row is.
enum RowRecipe {
  /// Independent values, uniform, of mean 0.
  case random(deviation: Float)
  /// `Σ coefficients[j] * basis[j]` (`StateDrift.basis`) and independent noise of this deviation.
  case drift(coefficients: [Float], noise: Float)
  /// The same with noise only where the basis is zero.
  case apart(coefficients: [Float], noise: Float)
  /// These values.
  case values([Float])
  /// One value everywhere.
  case constant(Float)
}
