namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// Finds the other files of an image whose bytes are in several. What the image says of them may come from anybody: who
/// gives the answer decides which files may be opened.
/// </summary>
public interface IImageParts
{
    /// <summary>Opens a file, byte for byte; null when it is not there.</summary>
    /// <param name="image">The image's own file, as its source names itself.</param>
    /// <param name="name">What the image calls the other one.</param>
    /// <exception cref="NataliaException"><c>PathNotContained</c>, or why the file cannot be opened.</exception>
    ValueTask<IDiskSource?> OpenAsync(string image, string name, CancellationToken cancellationToken);
}
