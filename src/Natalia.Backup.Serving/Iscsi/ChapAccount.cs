using System.Security.Cryptography;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Serving.Iscsi;

/// <summary>Who may log in, by CHAP (RFC 1994, RFC 7143 §12.1.3). The secret is in memory as long as it is
/// served.</summary>
/// <param name="user">The name.</param>
/// <param name="secret">The secret, as bytes.</param>
public sealed class ChapAccount(string user, byte[] secret)
{
    internal const int Md5 = 5, Sha256 = 7;

    /// <summary>The algorithm to use of those that an initiator offers; null when none fits.</summary>
    internal static int? Choose(string offered)
    {
        string[] all = offered.Split(',');
        return all.Contains("7") ? Sha256 : all.Contains("5") ? Md5 : null;
    }

    internal static byte[] NewChallenge()
    {
        var bytes = new byte[32];
        using RandomNumberGenerator random = RandomNumberGenerator.Create();
        random.GetBytes(bytes);
        return bytes;
    }

    /// <summary>Whether an answer to a challenge proves that the initiator knows the secret.</summary>
    internal bool Proves(string name, string response, byte id, byte[] challenge, int algorithm)
    {
        // CHAP is defined with this hash; the initiator chooses it where it knows no other.
#pragma warning disable CA5351
        using HashAlgorithm hash = algorithm == Sha256 ? SHA256.Create() : MD5.Create();
#pragma warning restore CA5351
        byte[] expected = hash.ComputeHash([id, .. secret, .. challenge]);
        byte[]? given = Binary(response);
        // The same time whatever differs.
        int differs = given is null || given.Length != expected.Length ? 1 : 0;
        for (int i = 0; i < expected.Length; i++) differs |= expected[i] ^ (given is not null && i < given.Length
            ? given[i] : 0);
        return differs == 0 & string.Equals(name, user, StringComparison.Ordinal);
    }

    /// <summary>A binary value: 0x and hexadecimal digits, or 0b and base 64.</summary>
    private static byte[]? Binary(string text)
    {
        try
        {
            if (text.StartsWith("0b", StringComparison.OrdinalIgnoreCase))
                return Convert.FromBase64String(text.Substring(2));
            if (!text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) || text.Length > 256) return null;
            string digits = text.Length % 2 == 0 ? text.Substring(2) : "0" + text.Substring(2);
            var bytes = new byte[digits.Length / 2];
            return Hex.TryParse(digits.ToLowerInvariant(), bytes) ? bytes : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    internal static string Hexadecimal(byte[] bytes) => "0x" + Hex.ToString(bytes);

    /// <summary>The name; never the secret.</summary>
    public override string ToString() => user;
}
