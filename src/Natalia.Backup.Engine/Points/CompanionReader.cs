using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Engine.Points;

/// <summary>Reads attachments of a point, part for part against its hash.</summary>
internal static class CompanionReader
{
    /// <summary>The bytes of an attachment.</summary>
    /// <exception cref="NataliaException"><c>PackMissing</c>, <c>ObjectDamaged</c>, a store error.</exception>
    internal static async Task<byte[]> ReadAsync(PackReader packs, ManifestAttachment attachment,
        CancellationToken cancellationToken)
    {
        // Bounded by the manifest's reader.
        var content = new byte[attachment.SizeBytes];
        using var codec = new SegmentCodec();
        for (int i = 0; i < attachment.Parts.Count; i++)
        {
            Reference part = attachment.Parts[i];
            byte[] bytes = await packs.ReadSegmentAsync(PackArea.Meta, part, codec,
                cancellationToken).ConfigureAwait(false);
            if (bytes.Length != attachment.PartLength(i))
                throw new NataliaException(ErrorIds.ObjectDamaged, NataliaErrorKind.InvalidData,
                    $"The part {i + 1} of the attachment '{attachment.Name}' has {bytes.Length} bytes, and should have "
                    + $"{attachment.PartLength(i)}.",
                    attachment.Name);
            bytes.CopyTo(content, (long)i * ManifestAttachment.PartBytes);
        }
        return content;
    }

    /// <summary>Which of the references can be read: a new point may share those.</summary>
    internal static async Task<IReadOnlyList<Reference>> FindReadableAsync(PackReader packs, Companions companions,
        CancellationToken cancellationToken)
    {
        var readable = new List<Reference>();
        using var codec = new SegmentCodec();
        foreach (Reference reference in companions.References.Distinct())
        {
            try
            {
                await packs.ReadSegmentAsync(PackArea.Meta, reference, codec, cancellationToken).ConfigureAwait(false);
                readable.Add(reference);
            }
            catch (NataliaException damage) when (damage.ErrorId is ErrorIds.PackMissing or ErrorIds.ObjectDamaged)
            {
                // It is stored anew.
            }
        }
        return readable;
    }
}
