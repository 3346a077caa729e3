using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>A VM in a folder.</summary>
/// <param name="Folder">Its folder, as listed.</param>
/// <param name="Description">What is told of it.</param>
/// <param name="AreDisksDescribed">False when its images were found by their names.</param>
/// <param name="Attachments">What is described of it that is no disk.</param>
/// <param name="Images">Its disk images, in the order of the description's disks.</param>
internal sealed record FolderAppliance(string Folder, ApplianceDescription Description, bool AreDisksDescribed,
    IReadOnlyList<DescribedAttachment> Attachments, IReadOnlyList<FolderImage> Images);
