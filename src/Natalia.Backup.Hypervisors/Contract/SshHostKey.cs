using System.Security.Cryptography;
using System.Text;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// The key by which an SSH server is known. Only a server that proves to hold it is spoken to, and given a password.
/// Immutable.
/// </summary>
/// <param name="Fingerprint"><c>SHA256:</c> and the SHA-256 of the public key in Base64 without padding, as OpenSSH
/// shows it.</param>
public sealed record SshHostKey(string Fingerprint)
{
    private const string Prefix = "SHA256:";

    /// <summary>A public key in Base64 is shorter, an RSA key of 16384 bits too.</summary>
    private const int MostCharacters = 8192;

    /// <summary>
    /// Reads a fingerprint (<c>SHA256:…</c>, alone or in a line of <c>ssh-keygen -l</c>) or a public key as it stands
    /// in a <c>.pub</c> file, in <c>known_hosts</c> or in what <c>ssh-keyscan</c> prints (RFC 4253, 6.6).
    /// </summary>
    /// <exception cref="NataliaException"><c>SshHostKeyInvalid</c>.</exception>
    public static SshHostKey Parse(string text)
    {
        string[] words = text.Length > MostCharacters
            ? []
            : text.Split([' ', '\t', '\r', '\n'], StringSplitOptions.RemoveEmptyEntries);
        string? fingerprint = Array.Find(words, w => w.StartsWith(Prefix, StringComparison.Ordinal));
        if (fingerprint is not null)
            return Decode(fingerprint.Substring(Prefix.Length).TrimEnd('=') + "=") is { Length: 32 } hash
                ? Of(hash)
                : throw Invalid("its fingerprint is not the Base64 of 32 bytes");
        for (int i = 0; i + 1 < words.Length; i++)
        {
            if (Decode(words[i + 1]) is not { Length: > 4 } key || !IsOf(key, words[i])) continue;
            using var sha = SHA256.Create();
            return Of(sha.ComputeHash(key));
        }
        throw Invalid("it is neither a fingerprint that begins with 'SHA256:' nor a public key");
    }

    /// <summary>The fingerprint.</summary>
    public override string ToString() => Fingerprint;

    private static SshHostKey Of(byte[] hash) => new(Prefix + Convert.ToBase64String(hash).TrimEnd('='));

    /// <summary>A key begins with the name of its kind, which stands before it as text as well.</summary>
    private static bool IsOf(byte[] key, string kind)
    {
        byte[] name = Encoding.ASCII.GetBytes(kind);
        return key.Length > 4 + name.Length && key[0] == 0 && key[1] == 0 && (key[2] << 8 | key[3]) == name.Length
            && key.AsSpan(4, name.Length).SequenceEqual(name);
    }

    private static byte[]? Decode(string base64)
    {
        try
        {
            return Convert.FromBase64String(base64);
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private static NataliaException Invalid(string why) =>
        new(ErrorIds.SshHostKeyInvalid, NataliaErrorKind.InvalidArgument,
            $"The host key cannot be used: {why}.", null,
            "Take what 'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub' prints on the appliance's own console, or "
            + "the line of that file.");
}
