using Natalia.Backup.Engine;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>The SHA-256 fingerprint of a certificate, as a person writes it.</summary>
internal static class Thumbprint
{
    /// <summary>Whether it can be one: 64 hexadecimal digits, with colons and blanks where people like them.</summary>
    internal static bool IsValid(string text) =>
        Hex.TryParse(text.Replace(":", "").Replace(" ", "").ToLowerInvariant(), new byte[32]);
}
