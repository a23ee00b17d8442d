import Glibc

/// The C library's functions by names that do not clash with the tested ones.
func cLibraryExponential(_ power: Double) -> Double { exp(power) }
func naturalLogarithm(_ value: Double) -> Double { log(value) }
