using System.Globalization;
using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>
/// What an export program says of an image: the token of the state that it holds, and the extents that changed since
/// earlier tokens. It counts only for exactly the image that it was written for, by length and time of the last write;
/// in any doubt there is no tracking, and everything is read.
/// </summary>
internal sealed class ChangesFile
{
    /// <summary>About 700,000 extents; with more of them, reading everything costs no more.</summary>
    private const int MaxBytes = 16 * 1024 * 1024;

    /// <summary>Programs cut or round a time's last digits; two writes are never this close.</summary>
    private static readonly TimeSpan s_precision = TimeSpan.FromTicks(10);

    private readonly Dictionary<string, IReadOnlyList<Extent>> _since = new(StringComparer.Ordinal);
    private readonly string? _reason;

    private ChangesFile(string? token, string? reason)
    {
        Token = token;
        _reason = reason;
    }

    /// <summary>The token of the image's state; null when the file cannot be used.</summary>
    internal string? Token { get; }

    /// <summary>Stands for a file that says nothing about this image.</summary>
    /// <param name="reason">Why, in a full sentence.</param>
    internal static ChangesFile Unusable(string reason) => new(null, reason);

    /// <summary>
    /// Reads a changes file for an open image. What is wrong with it becomes the reason for reading everything, and no
    /// error unless a link took its place.
    /// </summary>
    /// <exception cref="NataliaException"><c>PathNotContained</c>.</exception>
    internal static ChangesFile Read(ContainedFile file, RawDiskSource image)
    {
        try
        {
            ContainedText text = file.ReadText(MaxBytes);
            return IsOlderThan(image, text)
                ? Unusable($"The image was changed, replaced or copied after '{file}' was written, whatever its time "
                    + "of the last write says.")
                : Parse(file.Path, text.Text, image.SizeBytes, image.LastWriteTimeUtc);
        }
        catch (InvalidDataException e)
        {
            return Unusable($"The changes file '{file}' {e.Message}, so everything is read instead.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Unusable($"The changes file '{file}' cannot be read: {e.Message}");
        }
    }

    /// <summary>
    /// The time of the last write is what copying programs put back; when anything of a file changed last, no program
    /// can set. The file's own times both count: the one can be set forward, and the other one moves on with the rights
    /// of the file.
    /// </summary>
    private static bool IsOlderThan(RawDiskSource image, ContainedText file) =>
        image.LastChangeTimeUtc is DateTime changed
        && (file.LastWriteTimeUtc < changed || file.LastChangeTimeUtc < changed);

    internal static ChangesFile Parse(string path, string text, long imageLength, DateTime imageModifiedUtc)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            JsonElement root = document.RootElement;
            string token = Text(root, "token");
            if (root.GetProperty("imageLength").GetInt64() != imageLength
                || (Time(root) - imageModifiedUtc).Duration() > s_precision)
                return Unusable($"The image was written after '{path}' was, or is not the one that it describes.");

            var changes = new ChangesFile(token, null);
            foreach (JsonElement entry in root.GetProperty("changes").EnumerateArray())
                changes._since.Add(Text(entry, "since"), Extents(entry.GetProperty("extents"), imageLength));
            return changes;
        }
        catch (Exception e)
            when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException
                or ArgumentException)
        {
            return Unusable($"The changes file '{path}' is not valid: {e.Message}");
        }
    }

    internal ChangedExtents Since(string token)
    {
        if (_reason is not null) return new ChangedExtents(null, _reason);
        if (token == Token) return new ChangedExtents([]);
        return _since.TryGetValue(token, out IReadOnlyList<Extent>? extents) ? new ChangedExtents(extents)
            : new ChangedExtents(null, $"The changes file of the image does not say what changed since '{token}'.");
    }

    private static string Text(JsonElement element, string name) =>
        element.GetProperty(name).GetString() is { Length: > 0 } text
            ? text
            : throw new FormatException($"'{name}' is empty.");

    private static DateTime Time(JsonElement root) =>
        DateTime.Parse(Text(root, "imageModifiedUtc"), CultureInfo.InvariantCulture,
            DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal);

    /// <summary>
    /// The extents in order and joined, as the engine wants them; whoever wrote the file need not care.
    /// </summary>
    private static List<Extent> Extents(JsonElement list, long imageLength)
    {
        var extents = new List<Extent>(list.GetArrayLength());
        foreach (JsonElement pair in list.EnumerateArray())
        {
            if (pair.GetArrayLength() != 2) throw new FormatException("An extent is not a pair of offset and length.");
            var extent = new Extent(pair[0].GetInt64(), pair[1].GetInt64());
            if (extent.Offset < 0 || extent.Length < 0 || extent.Length > imageLength - extent.Offset)
                throw new FormatException(
                    $"The extent of {extent.Length} bytes at {extent.Offset} does not lie inside the image.");
            if (extent.Length > 0) extents.Add(extent);
        }
        extents.Sort((a, b) => a.Offset.CompareTo(b.Offset));

        int last = -1;
        foreach (Extent extent in extents.ToArray())
        {
            if (last >= 0 && extent.Offset <= extents[last].End) extents[last] = extents[last] with
            {
                Length = Math.Max(extents[last].End, extent.End) - extents[last].Offset,
            };
            else extents[++last] = extent;
        }
        extents.RemoveRange(last + 1, extents.Count - last - 1);
        return extents;
    }
}
