using Natalia.Backup.Engine.Format;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Crypto.Signers;

namespace Natalia.Backup.Engine.Sealing;

/// <summary>Ed25519 (RFC 8032), which no supported framework brings.</summary>
internal static class Signing
{
    internal const int SeedLength = 32;
    internal const int PublicKeyLength = 32;
    internal const int SignatureLength = 64;

    internal static byte[] PublicKey(byte[] seed) =>
        new Ed25519PrivateKeyParameters(seed, 0).GeneratePublicKey().GetEncoded();

    internal static byte[] Sign(byte[] seed, byte[] message)
    {
        var signer = new Ed25519Signer();
        signer.Init(true, new Ed25519PrivateKeyParameters(seed, 0));
        signer.BlockUpdate(message, 0, message.Length);
        return signer.GenerateSignature();
    }

    internal static bool Verify(byte[] publicKey, byte[] message, byte[] signature)
    {
        if (publicKey.Length != PublicKeyLength || signature.Length != SignatureLength) return false;
        var signer = new Ed25519Signer();
        signer.Init(false, new Ed25519PublicKeyParameters(publicKey, 0));
        signer.BlockUpdate(message, 0, message.Length);
        return signer.VerifySignature(signature);
    }

    internal static string Fingerprint(byte[] publicKey) => Hash256.Of(publicKey).ToString();
}
