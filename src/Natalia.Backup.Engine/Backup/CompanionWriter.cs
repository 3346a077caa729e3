using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Runs;

namespace Natalia.Backup.Engine.Backup;

/// <summary>
/// Stores what a point refers to besides its maps. What the manifest before has already is referred to again; of the
/// rest of that, this run's dead list tells.
/// </summary>
/// <param name="meta">Where new bytes go.</param>
/// <param name="run">The run that writes them.</param>
/// <param name="before">What of the manifest before can be read, and so be shared.</param>
/// <param name="dead">The run's list of what died without a disk.</param>
internal sealed class CompanionWriter(PackWriter.Worker meta, Run run, IReadOnlyList<Reference> before, DeadList dead)
{
    /// <summary>By content: two parts with the same bytes are one.</summary>
    private readonly Dictionary<Hash256, Reference> _there = before.GroupBy(r => r.Hash)
        .ToDictionary(g => g.Key, g => g.First());

    internal async Task<Companions> StoreAsync(byte[]? configuration, IReadOnlyList<RunAttachment> attachments,
        CancellationToken cancellationToken)
    {
        Reference? stored = configuration is null
            ? null
            : await StoreAsync(configuration, cancellationToken).ConfigureAwait(false);
        var all = new List<ManifestAttachment>();
        foreach (RunAttachment attachment in attachments)
        {
            var parts = new List<Reference>();
            for (int at = 0; at < attachment.Content.Length; at += ManifestAttachment.PartBytes)
            {
                int length = Math.Min(ManifestAttachment.PartBytes, attachment.Content.Length - at);
                parts.Add(await StoreAsync(attachment.Content.Slice(at, length),
                    cancellationToken).ConfigureAwait(false));
            }
            all.Add(new ManifestAttachment(attachment.Name, attachment.Kind, attachment.Content.Length, parts));
        }
        var companions = new Companions(stored, all);
        var needed = new HashSet<Reference>(companions.References);
        foreach (Reference gone in before.Where(r => !needed.Contains(r))) dead.Add(PackArea.Meta, gone);
        return companions;
    }

    private async ValueTask<Reference> StoreAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        Hash256 hash = Hash256.Of(bytes.Span);
        if (_there.TryGetValue(hash, out Reference? known)) return known;
        Placement placement = await meta.AddAsync(bytes, cancellationToken).ConfigureAwait(false);
        return _there[hash] = new Reference(run, placement.Pack, placement.Ordinal, hash);
    }
}
