using System.Text.Json;
using Natalia.Backup.Engine.Format;
using Org.BouncyCastle.Crypto.Generators;

namespace Natalia.Backup.Engine.Sealing;

/// <summary>
/// The repository's secrets: the master key from which object keys are derived, and the seed of the key that signs
/// audit records.
/// </summary>
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

/// <summary>
/// One object under <c>keys/</c>: the repository's secrets, sealed with a key derived from one password by scrypt (RFC
/// 7914). docs/format.md §5.
/// </summary>
internal static class KeySlot
{
    /// <summary>64 MiB and about a quarter of a second; written into every slot, so that it may grow later.</summary>
    internal const int DefaultCost = 1 << 16;
    private const int BlockSize = 8, Parallelism = 1;

    /// <summary>
    /// What one slot may cost whoever tries it: four times the memory and eight times the work of what is written
    /// today. Whoever can write can put a slot there that asks for anything.
    /// </summary>
    private const long MaximumMemory = 256L << 20, MaximumWork = 8L * DefaultWork;

    /// <summary>The work, n·r·p, of a slot that is written today.</summary>
    internal const long DefaultWork = (long)DefaultCost * BlockSize * Parallelism;

    internal static byte[] Seal(RepositorySecrets secrets, RepositoryPassword? password, string? name,
        Hash256 settingsHash, DateTime nowUtc, int cost, out Id128 id)
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
            using ObjectKeys keys = password is null
                ? ObjectKeys.None
                : ObjectKeys.FromSecret(Stretch(password, salt, cost, BlockSize, Parallelism));
            return SmallObject.Encode(ObjectKind.KeySlot, id, header, [plain], keys, compress: false).Bytes;
        }
        finally
        {
            Array.Clear(plain, 0, plain.Length);
        }
    }

    /// <summary>What a slot says of itself without a password, and with only its checksum to vouch for it.</summary>
    /// <param name="bytes">The object.</param>
    /// <param name="settingsHash">The repository that it must belong to; null for any.</param>
    /// <exception cref="FormatException">The slot is damaged, belongs to another repository, or asks for more than any
    /// slot needs.</exception>
    internal static KeySlotHeader Describe(byte[] bytes, Hash256? settingsHash)
    {
        Envelope envelope = SmallObject.Check(bytes, ObjectKind.KeySlot);
        using JsonDocument header = JsonText.Parse(envelope.Header);
        JsonElement root = header.RootElement;
        Hash256 settings = root.ReadHash("repository");
        if (settingsHash is Hash256 expected && settings != expected)
            throw new FormatException("The key slot belongs to another repository, or natalia.json was replaced.");
        return new KeySlotHeader(envelope.Id, settings, root.ReadTime("createdUtc"), root.ReadStringOrNull("name"),
            ReadParameters(root));
    }

    /// <summary>Opens a slot, or returns null when the password is not this slot's.</summary>
    /// <exception cref="FormatException">The slot is damaged, belongs to another repository, or asks for more than any
    /// slot needs, or than this machine has.</exception>
    internal static RepositorySecrets? TryOpen(byte[] bytes, RepositoryPassword? password, Hash256 settingsHash)
    {
        ScryptParameters? parameters = Describe(bytes, settingsHash).Scrypt;
        Envelope envelope = SmallObject.Check(bytes, ObjectKind.KeySlot);
        if (parameters is null)
            return password is null
                ? RepositorySecrets.Decode(SmallObject.OpenSegment(bytes, envelope, 0, ObjectKeys.None))
                : null;
        if (password is null) return null;
        byte[] stretched;
        try
        {
            stretched = Stretch(password, parameters.Salt, parameters.N, parameters.R, parameters.P);
        }
        catch (OutOfMemoryException)
        {
            throw new FormatException(
                $"The key slot needs {parameters.MemoryBytes >> 20} MiB of memory, which this machine does not give.");
        }
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

    private static ScryptParameters? ReadParameters(JsonElement root)
    {
        string kdf = root.ReadString("kdf");
        if (kdf == "none") return null;
        if (kdf != "scrypt")
            throw new FormatException($"The key slot uses '{kdf}', which this version of the module does not know.");
        long n = root.ReadLong("n"), r = root.ReadLong("r"), p = root.ReadLong("p");
        string saltText = root.ReadString("salt");
        // Each by itself first, so that no product overflows. RFC 7914 wants N below 2^(16·r).
        if (n is < 2 or > 1 << 24 || (n & (n - 1)) != 0 || r is < 1 or > 64 || p is < 1 or > 16
            || (r == 1 && n >= 1 << 16) || saltText.Length is < 16 or > 128)
            throw new FormatException("The key slot asks for a key derivation that nobody can do.");
        var parameters = new ScryptParameters((int)n, (int)r, (int)p, new byte[saltText.Length / 2]);
        if (!Hex.TryParse(saltText, parameters.Salt)) throw new FormatException("The key slot's salt is not valid.");
        if (parameters.MemoryBytes > MaximumMemory || parameters.Work > MaximumWork)
            throw new FormatException($"The key slot asks for {parameters.MemoryBytes >> 20} MiB of memory and "
                + $"{parameters.Work / (double)DefaultWork:0.#} times the usual work; at most {MaximumMemory >> 20} "
                + $"MiB and {MaximumWork / DefaultWork} times are allowed.");
        return parameters;
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

/// <summary>The cost of one slot: scrypt's N, r and p (RFC 7914), and its salt.</summary>
internal sealed record ScryptParameters(int N, int R, int P, byte[] Salt)
{
    internal long MemoryBytes => 128L * N * R;

    /// <summary>Time grows with it.</summary>
    internal long Work => (long)N * R * P;
}

/// <summary>What a slot says of itself.</summary>
/// <param name="Id">Its id, and its object's name.</param>
/// <param name="Settings">The SHA-256 of the <c>natalia.json</c> that it belongs to.</param>
/// <param name="CreatedUtc">When it was made.</param>
/// <param name="Name">What somebody called it, or null.</param>
/// <param name="Scrypt">How its password is stretched; null in an unencrypted repository.</param>
internal sealed record KeySlotHeader(Id128 Id, Hash256 Settings, DateTime CreatedUtc, string? Name,
    ScryptParameters? Scrypt);
