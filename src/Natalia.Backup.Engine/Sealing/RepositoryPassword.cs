using System.Runtime.InteropServices;
using System.Security;
using System.Text;

namespace Natalia.Backup.Engine.Sealing;

/// <summary>
/// A repository's password as the key derivation takes it: UTF-8 of the NFC form. Cleared when disposed; never shown.
/// </summary>
public sealed class RepositoryPassword : IDisposable
{
    private readonly byte[] _utf8;

    private RepositoryPassword(byte[] utf8) => _utf8 = utf8;

    /// <summary>The bytes; all zero after disposal.</summary>
    internal ReadOnlySpan<byte> Utf8 => _utf8;

    /// <summary>Reads a SecureString, which stays the caller's.</summary>
    /// <param name="password">The password.</param>
    public static RepositoryPassword From(SecureString password)
    {
        IntPtr memory = Marshal.SecureStringToGlobalAllocUnicode(password);
        var characters = new char[password.Length];
        try
        {
            Marshal.Copy(memory, characters, 0, characters.Length);
            // Normalising needs a string for a moment; only text that is not plain ASCII goes this way.
            for (int i = 0; i < characters.Length; i++)
            {
                if (char.IsHighSurrogate(characters[i]) && i + 1 < characters.Length
                    && char.IsLowSurrogate(characters[i + 1]))
                    i++;
                else if (char.IsSurrogate(characters[i]))
                    throw new NataliaException(ErrorIds.PasswordInvalid, NataliaErrorKind.InvalidArgument,
                        "The password holds half of a character, which cannot be written down the same way twice.",
                        null, "Type the password again.");
            }
            if (Array.Exists(characters, c => c > 127))
                return new RepositoryPassword(
                    Encoding.UTF8.GetBytes(new string(characters).Normalize(NormalizationForm.FormC)));
            return new RepositoryPassword(Encoding.UTF8.GetBytes(characters));
        }
        finally
        {
            Array.Clear(characters, 0, characters.Length);
            Marshal.ZeroFreeGlobalAllocUnicode(memory);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Array.Clear(_utf8, 0, _utf8.Length);

    /// <summary>Says that there is a password, not which.</summary>
    public override string ToString() => "(password)";
}
