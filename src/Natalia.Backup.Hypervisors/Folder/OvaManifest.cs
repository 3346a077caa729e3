using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>
/// The manifest of an OVA (.mf): the digests of its files, a line for each, <c>SHA256(system.vmdk)= 0a1b…</c>
/// (DMTF DSP0243, section 5.1). It finds damage; who changes an OVA on purpose changes the manifest as well.
/// </summary>
internal static class OvaManifest
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>A package has some files, and a line has some hundred bytes.</summary>
    private const int MaxBytes = 1 << 20;

    private const int MaxLine = 4096;

    /// <summary>Around a line; the first one may begin with a byte order mark.</summary>
    private static readonly char[] s_padding = [' ', '\t', '\r', '\uFEFF'];

    // OpenSSL 3 calls the digests SHA2-256 and so on.
    private static readonly Regex s_line = new(
        @"^SHA(?:2?-)?(?<bits>1|256|384|512) *\((?<file>.+)\) *= *(?<digest>[0-9A-Fa-f]+)$",
        RegexOptions.CultureInvariant);

    /// <summary>Holds members against what the manifest says of them. Without a manifest nothing is done.</summary>
    /// <param name="archive">The OVA.</param>
    /// <param name="members">Where each member lies.</param>
    /// <param name="description">The description; compared where the manifest has its digest.</param>
    /// <param name="image">The image, of which it must have one. What it says of others, and how, does not
    /// matter.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>SystemImageDamaged</c>: also where a manifest has none of the image,
    /// or none that is known; <c>DiskReadFailed</c>.</exception>
    internal static async Task VerifyAsync(RawDiskSource archive, IReadOnlyDictionary<string, Extent> members,
        string description, string image, CancellationToken cancellationToken)
    {
        List<KeyValuePair<string, Extent>> manifests = [.. members
            .Where(m => m.Key.EndsWith(".mf", StringComparison.OrdinalIgnoreCase))];
        if (manifests.Count == 0) return;
        if (manifests.Count > 1) throw Damaged(archive, $"it has {manifests.Count} manifests (.mf) and not one");
        Dictionary<string, (HashAlgorithmName Algorithm, string Digest)> stated =
            await ReadAsync(archive, manifests[0], cancellationToken).ConfigureAwait(false);
        if (!stated.ContainsKey(image))
            throw Damaged(archive, $"its manifest '{manifests[0].Key}' has no digest of the file '{image}' "
                + "(SHA-1, SHA-256, SHA-384 or SHA-512)");
        foreach (string name in new[] { description, image }.Where(stated.ContainsKey))
        {
            (HashAlgorithmName Algorithm, string Digest) of = stated[name];
            string found = await DigestAsync(archive, members[name], of.Algorithm, cancellationToken)
                .ConfigureAwait(false);
            if (!string.Equals(found, of.Digest, StringComparison.OrdinalIgnoreCase))
                throw Damaged(archive, $"the file '{name}' in it is not the one of which its manifest has the "
                    + $"{of.Algorithm.Name}");
        }
    }

    private static async Task<Dictionary<string, (HashAlgorithmName Algorithm, string Digest)>> ReadAsync(
        RawDiskSource archive, KeyValuePair<string, Extent> manifest, CancellationToken cancellationToken)
    {
        if (manifest.Value.Length > MaxBytes) throw Damaged(archive, "its manifest is too long");
        byte[] bytes = new byte[(int)manifest.Value.Length];
        await archive.ReadAsync(manifest.Value.Offset, bytes, cancellationToken).ConfigureAwait(false);
        var stated = new Dictionary<string, (HashAlgorithmName, string)>(StringComparer.Ordinal);
        foreach (string text in Encoding.UTF8.GetString(bytes).Split('\n'))
        {
            string line = text.Trim(s_padding);
            Match match = line.Length <= MaxLine ? s_line.Match(line) : Match.Empty;
            if (!match.Success) continue;
            string file = match.Groups["file"].Value;
            // As members are called.
            stated[file.StartsWith("./", StringComparison.Ordinal) ? file.Substring(2) : file] =
                (new HashAlgorithmName("SHA" + match.Groups["bits"].Value), match.Groups["digest"].Value);
        }
        return stated;
    }

    private static async Task<string> DigestAsync(RawDiskSource archive, Extent member, HashAlgorithmName algorithm,
        CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(algorithm);
        byte[] buffer = new byte[ChunkBytes];
        for (long at = 0; at < member.Length;)
        {
            int count = (int)Math.Min(ChunkBytes, member.Length - at);
            await archive.ReadAsync(member.Offset + at, buffer.AsMemory(0, count), cancellationToken)
                .ConfigureAwait(false);
            hash.AppendData(buffer, 0, count);
            at += count;
        }
        return Hex.ToString(hash.GetHashAndReset());
    }

    private static NataliaException Damaged(RawDiskSource archive, string what) => new(
        ErrorIds.SystemImageDamaged, NataliaErrorKind.InvalidData,
        $"The OVA '{archive.Path}' is damaged, or was changed: {what}.", archive.Path,
        "Copy or download the OVA again, or name another one with -SystemImage. Where you know the OVA to be whole, "
        + "and its manifest to be wrong, pack it without that file.");
}
