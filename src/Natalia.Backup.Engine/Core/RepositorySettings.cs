using System.Text;
using System.Text.Json;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Core;

/// <summary>What <c>natalia.json</c> says: written once, when the repository is made. docs/format.md §4.</summary>
internal sealed record RepositorySettings(Id128 Id, DateTime CreatedUtc, Cipher Cipher, byte[] AuditKey)
{
    internal const int FormatVersion = 1;
    private const string Product = "Natalia.Backup repository";
    private static readonly byte[] s_hashMember = Encoding.ASCII.GetBytes(",\"sha256\":\"");
    private const int TailLength = 11 + 64 + 3;

    internal byte[] Encode()
    {
        byte[] json = JsonText.Write(writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("product", Product);
            writer.WriteNumber("format", FormatVersion);
            writer.WriteStartArray("requiredFeatures");
            writer.WriteEndArray();
            writer.WriteString("id", Id.ToString());
            writer.WriteString("createdUtc", JsonText.Time(CreatedUtc));
            writer.WriteString("cipher", Cipher == Cipher.None ? "none" : "aes-256-gcm");
            writer.WriteString("auditKey", Hex.ToString(AuditKey));
            writer.WriteEndObject();
        });
        ReadOnlySpan<byte> open = json.AsSpan(0, json.Length - 1);
        return [.. open, .. s_hashMember, .. Encoding.ASCII.GetBytes(Hash256.Of(open).ToString()), .. "\"}\n"u8];
    }

    /// <summary>The settings as they lie in the store.</summary>
    /// <exception cref="NataliaException"><c>RepositoryNotFound</c>, <c>NotARepository</c>, a store error.</exception>
    internal static async Task<byte[]> ReadBytesAsync(IObjectStore store, CancellationToken cancellationToken)
    {
        try
        {
            return await store.ReadAllAsync(Layout.Settings, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException missing) when (missing.ErrorId == ErrorIds.ObjectNotFound)
        {
            string? first = await FindFirstAsync(store, cancellationToken).ConfigureAwait(false);
            IReadOnlyList<string> below = await RepositoriesBelow.FindAsync(store, first,
                cancellationToken).ConfigureAwait(false);
            string named = below.Count switch
            {
                0 => "",
                1 => $" There is a repository below it: {below[0]}.",
                _ => $" There are repositories below it: {string.Join(", ", below)}.",
            };
            string? advice = below.Count == 0 ? null : $"Name that place: {below[0]}; in a bucket, what comes after "
                + "the bucket's name is the -Prefix.";
            throw first is not null
                ? new NataliaException(ErrorIds.NotARepository, NataliaErrorKind.InvalidArgument,
                    $"{store.Location} is not a repository: it holds '{first}', but no {Layout.Settings}." + named,
                    store.Location,
                    advice ?? "Name the folder or prefix that New-NataliaRepository was given. When the file was "
                        + "deleted, Connect-NataliaRepository -RebuildSettings makes it again.",
                    missing)
                : new NataliaException(ErrorIds.RepositoryNotFound, NataliaErrorKind.NotFound,
                    $"There is no repository at {store.Location}: no object of one is there." + named, store.Location,
                    advice ?? "Where one was made, it was in another place: look at the folder, or at the bucket, its "
                        + "-Prefix and the -Endpoint. New-NataliaRepository makes one here.",
                    missing);
        }
        catch (FormatException damage)
        {
            throw Damaged(store.Location, damage);
        }
    }

    private static async Task<string?> FindFirstAsync(IObjectStore store, CancellationToken cancellationToken)
    {
        await foreach (StoredObject first in store.ListAsync("", cancellationToken).ConfigureAwait(false))
            if (!first.Name.StartsWith(Layout.Probes, StringComparison.Ordinal)) return first.Name;
        return null;
    }

    /// <summary>Whether they say that they are a repository's; they need not be whole.</summary>
    internal static bool IsOfARepository(byte[] bytes)
    {
        try
        {
            using JsonDocument document = JsonText.Parse(bytes);
            return document.RootElement.ReadStringOrNull("product") == Product;
        }
        catch (FormatException)
        {
            return false;
        }
    }

    /// <exception cref="NataliaException"><c>NotARepository</c>, <c>RepositoryDamaged</c>,
    /// <c>RepositoryFormatTooNew</c>.</exception>
    internal static RepositorySettings Decode(byte[] bytes, string location)
    {
        try
        {
            using JsonDocument document = JsonText.Parse(bytes);
            JsonElement root = document.RootElement;
            if (root.ReadStringOrNull("product") != Product)
                throw new NataliaException(ErrorIds.NotARepository, NataliaErrorKind.InvalidArgument,
                    $"The file '{Layout.Settings}' in {location} is not that of a Natalia.Backup repository.",
                    location);
            // Before anything else: a newer format may have changed everything else.
            long format = root.ReadLong("format");
            string[] features = root.ReadArray("requiredFeatures").Select(f => f.ReadText()).ToArray();
            if (format > FormatVersion || features.Length > 0)
                throw new NataliaException(ErrorIds.RepositoryFormatTooNew, NataliaErrorKind.NotSupported,
                    $"The repository {location} has format "
                    + $"{format}{(features.Length > 0 ? " with " + string.Join(", ", features) : "")}; this version "
                    + $"of the module reads format {FormatVersion}.",
                    location, "Update the module Natalia.Backup.");
            CheckHash(bytes);
            string cipher = root.ReadString("cipher");
            var auditKey = new byte[Signing.PublicKeyLength];
            if (format != FormatVersion || cipher is not ("none" or "aes-256-gcm")
                || !Hex.TryParse(root.ReadString("auditKey"), auditKey))
                throw new FormatException("A member has an impossible value.");
            return new RepositorySettings(root.ReadId("id"), root.ReadTime("createdUtc"),
                cipher == "none" ? Cipher.None : Cipher.Aes256Gcm, auditKey);
        }
        catch (FormatException damage)
        {
            throw Damaged(location, damage);
        }
    }

    internal static NataliaException Damaged(string location, FormatException damage) =>
        new(ErrorIds.RepositoryDamaged, NataliaErrorKind.InvalidData,
        $"The file '{Layout.Settings}' of the repository {location} is damaged: {damage.Message}", location,
        "It never changes after the repository was made: put back any copy of it, or have it made again with "
        + "Connect-NataliaRepository -RebuildSettings.",
        damage);

    /// <summary>The last member is the SHA-256 of all bytes before it.</summary>
    private static void CheckHash(byte[] bytes)
    {
        int at = bytes.Length - TailLength;
        if (at < 0 || !bytes.AsSpan(at, s_hashMember.Length).SequenceEqual(s_hashMember)
            || !bytes.AsSpan(bytes.Length - 3).SequenceEqual("\"}\n"u8)
            || Encoding.ASCII.GetString(bytes, at + s_hashMember.Length, 64) != Hash256.Of(bytes.AsSpan(0, at))
                .ToString())
            throw new FormatException("Its checksum is wrong.");
    }
}
