using System.Security.Cryptography;
using System.Text;
using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Sealing;

/// <summary>
/// Derives the key of every object from one secret: HKDF-SHA256 (RFC 5869), salt = the object's id, info = a fixed text
/// and the object's kind.
/// </summary>
internal sealed class ObjectKeys : IDisposable
{
    internal const int KeyLength = 32;
    private readonly byte[]? _secret;

    private ObjectKeys(Cipher cipher, byte[]? secret)
    {
        Cipher = cipher;
        _secret = secret;
    }

    /// <summary>For repositories and objects that are not sealed.</summary>
    internal static ObjectKeys None { get; } = new(Cipher.None, null);

    /// <param name="secret">32 bytes; copied.</param>
    internal static ObjectKeys FromSecret(ReadOnlySpan<byte> secret) => new(Cipher.Aes256Gcm, secret.ToArray());

    internal Cipher Cipher { get; }

    internal SegmentCipher For(Id128 objectId, ObjectKind kind)
    {
        if (_secret is null) return new SegmentCipher(null);
        byte[] key = Derive(_secret, objectId, kind);
        try
        {
            return new SegmentCipher(key);
        }
        finally
        {
            Array.Clear(key, 0, key.Length);
        }
    }

    /// <summary>One block of output is all that is ever needed, so that expand is a single HMAC.</summary>
    internal static byte[] Derive(byte[] secret, Id128 objectId, ObjectKind kind)
    {
        byte[] pseudorandom;
        using (var extract = new HMACSHA256(objectId.ToArray())) pseudorandom = extract.ComputeHash(secret);
        try
        {
            using var expand = new HMACSHA256(pseudorandom);
            byte[] label = Encoding.ASCII.GetBytes("natalia object key 1 ");
            byte[] info = [.. label, (byte)kind, 1];
            return expand.ComputeHash(info);
        }
        finally
        {
            Array.Clear(pseudorandom, 0, pseudorandom.Length);
        }
    }

    public void Dispose()
    {
        if (_secret is not null) Array.Clear(_secret, 0, _secret.Length);
    }
}
