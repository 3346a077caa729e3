namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// Finds the file of a differencing image's parent. What the image says of its place may come from anybody: who gives
/// the answer decides which files may be opened.
/// </summary>
public interface IParentImages
{
    /// <summary>Opens the parent's file, byte for byte; null when it is not there.</summary>
    /// <param name="parent">What the child says of it.</param>
    /// <exception cref="NataliaException"><c>PathNotContained</c>, or why the file cannot be opened.</exception>
    ValueTask<IDiskSource?> OpenAsync(ParentReference parent, CancellationToken cancellationToken);
}

/// <summary>What a differencing image says of where its parent is. Nothing of it has been checked.</summary>
/// <param name="Child">The child's file, as its source names itself.</param>
/// <param name="RelativePath">Relative to the child's folder, with backslashes; or null.</param>
/// <param name="AbsolutePath">As it was on the machine that made the child; or null.</param>
/// <param name="Identity">What the parent is told by.</param>
public sealed record ParentReference(string Child, string? RelativePath, string? AbsolutePath, Guid Identity);
