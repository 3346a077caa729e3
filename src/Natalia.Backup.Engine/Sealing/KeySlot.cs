using System.Text;
using System.Text.Json;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Repositories;
using Org.BouncyCastle.Crypto.Generators;

namespace Natalia.Backup.Engine.Sealing;

/// <summary>The repository's secrets: the master key from which object keys are derived, and the seed of the key that signs audit records.</summary>
internal sealed class RepositorySecrets : IDisposable
{
    private RepositorySecrets(byte[] master, byte[] signingSeed)
    {
        Master = master;
        SigningSeed = signingSeed;
    }

    internal byte[] Master { get; }
    internal byte[] SigningSeed { get; }

    internal static RepositorySecrets NewRandom()
    {
        var master = new byte[ObjectKeys.KeyLength];
        var seed = new byte[Signing.SeedLength];
        using var random = System.Security.Cryptography.RandomNumberGenerator.Create();
        random.GetBytes(master);
        random.GetBytes(seed);
        return new RepositorySecrets(master, seed);
    }

    internal static RepositorySecrets Decode(ReadOnlySpan<byte> plain) => plain.Length == 64
        ? new RepositorySecrets(plain.Slice(0, 32).ToArray(), plain.Slice(32).ToArray())
        : throw new FormatException("A key slot holds secrets of an unexpected length.");

    internal byte[] Encode() => [.. Master, .. SigningSeed];

    public void Dispose()
    {
        Array.Clear(Master, 0, Master.Length);
        Array.Clear(SigningSeed, 0, SigningSeed.Length);
    }

    public override string ToString() => "(secrets)";
}

/// <summary>One object under <c>keys/</c>: the repository's secrets, sealed with a key derived from one password by scrypt (RFC 7914). docs/format.md §5.</summary>
internal static class KeySlot
{
    /// <summary>64 MiB and about a quarter of a second; written into every slot, so that it may grow later.</summary>
    internal const int DefaultCost = 1 << 16;
    private const int BlockSize = 8, Parallelism = 1;

    /// <summary>A hostile slot must not make a reader allocate more than 1 GiB or work for minutes.</summary>
    private const long MaximumMemory = 1L << 30;

    internal static byte[] Seal(RepositorySecrets secrets, RepositoryPassword? password, string? name, Hash256 settingsHash, DateTime nowUtc, int cost, out Id128 id)
    {
        id = Id128.NewRandom();
        var salt = Id128.NewRandom().ToArray();
        byte[] header = JsonText.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("repository", settingsHash.ToString());
            json.WriteString("createdUtc", JsonText.Time(nowUtc));
            if (name is not null) json.WriteString("name", name);
            json.WriteString("kdf", password is null ? "none" : "scrypt");
            if (password is not null)
            {
                json.WriteNumber("n", cost);
                json.WriteNumber("r", BlockSize);
                json.WriteNumber("p", Parallelism);
                json.WriteString("salt", Hex.ToString(salt));
            }
            json.WriteEndObject();
        });
        byte[] plain = secrets.Encode();
        try
        {
            using ObjectKeys keys = password is null ? ObjectKeys.None : ObjectKeys.FromSecret(Stretch(password, salt, cost, BlockSize, Parallelism));
            return SmallObject.Encode(ObjectKind.KeySlot, id, header, [plain], keys, compress: false).Bytes;
        }
        finally
        {
            Array.Clear(plain, 0, plain.Length);
        }
    }

    /// <summary>What a slot says of itself without a password: its id, when it was made, and what somebody called it.</summary>
    /// <exception cref="FormatException">The slot is damaged, or belongs to another repository.</exception>
    internal static (Id128 Id, DateTime CreatedUtc, string? Name) Describe(byte[] bytes, Hash256 settingsHash)
    {
        Envelope envelope = SmallObject.Check(bytes, ObjectKind.KeySlot);
        using JsonDocument header = JsonText.Parse(envelope.Header);
        JsonElement root = header.RootElement;
        if (root.ReadHash("repository") != settingsHash) throw new FormatException("The key slot belongs to another repository, or natalia.json was replaced.");
        return (envelope.Id, root.ReadTime("createdUtc"), root.ReadStringOrNull("name"));
    }

    /// <summary>Opens a slot, or returns null when the password is not this slot's.</summary>
    /// <exception cref="FormatException">The slot is damaged, or belongs to another repository.</exception>
    internal static RepositorySecrets? TryOpen(byte[] bytes, RepositoryPassword? password, Hash256 settingsHash)
    {
        Envelope envelope = SmallObject.Check(bytes, ObjectKind.KeySlot);
        using JsonDocument header = JsonText.Parse(envelope.Header);
        JsonElement root = header.RootElement;
        if (root.ReadHash("repository") != settingsHash) throw new FormatException("The key slot belongs to another repository, or natalia.json was replaced.");
        string kdf = root.ReadString("kdf");
        if (kdf == "none") return password is null ? RepositorySecrets.Decode(SmallObject.OpenSegment(bytes, envelope, 0, ObjectKeys.None)) : null;
        if (kdf != "scrypt") throw new FormatException($"The key slot uses '{kdf}', which this version of the module does not know.");
        if (password is null) return null;
        long n = root.ReadLong("n"), r = root.ReadLong("r"), p = root.ReadLong("p");
        string saltText = root.ReadString("salt");
        var salt = new byte[saltText.Length / 2];
        if (n < 2 || (n & (n - 1)) != 0 || r is < 1 or > 64 || p is < 1 or > 16 || 128 * n * r > MaximumMemory || salt.Length is < 8 or > 64 || !Hex.TryParse(saltText, salt))
            throw new FormatException("The key slot asks for a key derivation outside the allowed bounds.");
        byte[] stretched = Stretch(password, salt, (int)n, (int)r, (int)p);
        try
        {
            using ObjectKeys keys = ObjectKeys.FromSecret(stretched);
            return RepositorySecrets.Decode(SmallObject.OpenSegment(bytes, envelope, 0, keys));
        }
        catch (SealBrokenException)
        {
            return null;
        }
        finally
        {
            Array.Clear(stretched, 0, stretched.Length);
        }
    }

    private static byte[] Stretch(RepositoryPassword password, byte[] salt, int n, int r, int p)
    {
        byte[] utf8 = password.Utf8.ToArray();
        try
        {
            return SCrypt.Generate(utf8, salt, n, r, p, ObjectKeys.KeyLength);
        }
        finally
        {
            Array.Clear(utf8, 0, utf8.Length);
        }
    }
}
