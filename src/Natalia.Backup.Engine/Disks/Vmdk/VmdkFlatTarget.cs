using System.Text;
using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Engine.Disks.Vmdk;

/// <summary>
/// Writes a disk to a flat VMDK image, as it lies on a datastore: <c>name-flat.vmdk</c> with the bytes, and
/// <c>name.vmdk</c>, a text that describes it. The text comes last, so an image that has one is whole. Any number of
/// threads may write at once.
/// </summary>
public sealed class VmdkFlatTarget : IDiskTarget
{
    /// <summary>What the name of an older text ends with while the file with the bytes is replaced. It is no partial
    /// file, which a later export would delete: the older image needs it.</summary>
    private const string Aside = ".was";

    private readonly RawDiskTarget _flat;
    private readonly ImageFileWriter _text;
    private readonly bool _overwrite;

    /// <summary>Whether an older text was put aside.</summary>
    private bool _isAside;

    /// <summary>Names the image; nothing is touched before <see cref="BeginAsync"/>.</summary>
    /// <param name="path">The text to make; the other file lies beside it.</param>
    /// <param name="overwrite">Replace files of these names.</param>
    public VmdkFlatTarget(string path, bool overwrite = false)
    {
        _text = new ImageFileWriter(path, overwrite);
        FlatPath = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(_text.Path) ?? "",
            System.IO.Path.GetFileNameWithoutExtension(_text.Path) + "-flat.vmdk");
        _flat = new RawDiskTarget(FlatPath, overwrite) { BeforeNaming = PutTextAside };
        _overwrite = overwrite;
    }

    /// <summary>The full path of the text.</summary>
    public string Path => _text.Path;

    /// <summary>The full path of the file with the bytes.</summary>
    public string FlatPath { get; }

    /// <inheritdoc cref="ImageFileWriter.FlushFile"/>
    internal Action<PositionalFile> FlushFile { init => _flat.FlushFile = value; }

    private string AsidePath => Path + Aside;

    /// <summary>Flushes the folder after each of the two files got its name: the system, but for tests that let it
    /// fail.</summary>
    internal (Action<string> OfFlat, Action<string> OfText) FlushFolder
    {
        init => (_flat.FlushFolder, _text.FlushFolder) = value;
    }

    /// <inheritdoc/>
    public bool AcceptsAnyOrder => true;

    /// <inheritdoc/>
    /// <remarks>A size that is no multiple of 512 is rounded up, and what is more reads as zeros.</remarks>
    /// <exception cref="NataliaException"><c>DestinationExists</c>, <c>DestinationFull</c>,
    /// <c>DestinationWriteFailed</c>.</exception>
    public Task BeginAsync(long sizeBytes, CancellationToken cancellationToken)
    {
        long size = VmdkSizes.Check(sizeBytes, Path, VmdkFormat.MostBytes);
        byte[] text = Encoding.UTF8.GetBytes(VmdkDescriptor.Make("monolithicFlat", size, "FLAT",
            System.IO.Path.GetFileName(FlatPath), isEmbeddedInFlat: true));
        BringBackAfterKill();
        // At once: an empty file that a killed export left is not known for one.
        _text.Begin(text.Length);
        _text.Write(0, text);
        return _flat.BeginAsync(size, cancellationToken);
    }

    /// <inheritdoc/>
    /// <exception cref="NataliaException"><c>DestinationFull</c>, <c>DestinationWriteFailed</c>.</exception>
    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        _flat.WriteAsync(offset, bytes, cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="NataliaException"><c>DestinationExists</c>, <c>DestinationFull</c>,
    /// <c>DestinationWriteFailed</c>.</exception>
    public async Task CompleteAsync(CancellationToken cancellationToken)
    {
        try
        {
            try
            {
                await _flat.CompleteAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException e) when (_flat.HasItsName && e.InnerException is FolderNotFlushedException)
            {
                // The bytes are whole, and those that they replaced are gone: this is the image.
                _text.Complete(CancellationToken.None);
                throw;
            }
            _text.Complete(CancellationToken.None);
        }
        catch (NataliaException e) when (_flat.HasItsName && !_text.HasItsName)
        {
            // Alone it is no image, and an older text would tell of other bytes.
            string outcome = TryChange(() => System.IO.File.Delete(FlatPath)) ? "was removed" : "could not be removed";
            throw new NataliaException(e.ErrorId, e.Kind,
                $"The image '{Path}' could not be finished, and its file '{FlatPath}' {outcome}: {e.Message}", Path,
                e.RecommendedAction, e);
        }
        catch (NataliaException e) when (!_flat.HasItsName && _isAside)
        {
            if (TryChange(() => FileMove.Replace(AsidePath, Path))) throw;
            throw new NataliaException(e.ErrorId, e.Kind,
                $"{e.Message} The image that was there is whole, but its text is called '{AsidePath}' now.", Path,
                $"Rename '{AsidePath}' to '{Path}'. {e.RecommendedAction}", e);
        }
        finally
        {
            // It belongs to bytes that are gone.
            if (_isAside && _flat.HasItsName) TryChange(() => System.IO.File.Delete(AsidePath));
        }
    }

    /// <summary>False when the file system refuses.</summary>
    private static bool TryChange(Action change)
    {
        try
        {
            change();
            return true;
        }
        catch (Exception e) when (FileTroubles.IsFileError(e))
        {
            return false;
        }
    }

    /// <summary>An older text never tells of newer bytes, wherever a kill comes.</summary>
    private void PutTextAside()
    {
        if (!_overwrite || !System.IO.File.Exists(Path)) return;
        FileMove.Replace(Path, AsidePath);
        _isAside = true;
    }

    /// <summary>
    /// What an export that was killed had put aside gets its name again where it fits the bytes that are there. These
    /// are the older ones, or new ones that are whole and as many.
    /// </summary>
    private void BringBackAfterKill() => TryChange(() =>
    {
        if (System.IO.File.Exists(Path) || !System.IO.File.Exists(AsidePath) || !System.IO.File.Exists(FlatPath)
            || new FileInfo(AsidePath).Length > VmdkFormat.MostDescriptorBytes)
            return;
        string begin = FormattableString.Invariant($"RW {new FileInfo(FlatPath).Length / VmdkFormat.Sector} "),
            name = $"\"{System.IO.Path.GetFileName(FlatPath)}\"";
        if (System.IO.File.ReadAllLines(AsidePath).Any(l => l.StartsWith(begin, StringComparison.Ordinal)
            && l.Contains(name)))
            FileMove.Replace(AsidePath, Path);
    });

    /// <summary>Closes both files, and deletes what was not completed.</summary>
    public void Dispose()
    {
        _flat.Dispose();
        _text.Dispose();
    }

    /// <summary>The path of the text.</summary>
    public override string ToString() => Path;
}
