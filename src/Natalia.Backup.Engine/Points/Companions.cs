using Natalia.Backup.Engine.Packs;

namespace Natalia.Backup.Engine.Points;

/// <summary>
/// What a point refers to besides its maps, in packs of nodes: the VM's configuration and its attachments. What died of
/// them stands in the list without a disk's name. docs/format.md §8.
/// </summary>
/// <param name="Configuration">The VM's configuration; null when there is none.</param>
/// <param name="Attachments">The attachments.</param>
internal sealed record Companions(Reference? Configuration, IReadOnlyList<ManifestAttachment> Attachments)
{
    internal static Companions None { get; } = new(null, []);

    /// <summary>All references; one that two parts share is there twice.</summary>
    internal IEnumerable<Reference> References =>
        Attachments.SelectMany(a => a.Parts).Concat(Configuration is null ? [] : [Configuration]);
}
