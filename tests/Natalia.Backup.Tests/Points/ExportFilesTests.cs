using Natalia.Backup.Engine;
using Natalia.Backup.Points;

namespace Natalia.Backup.Tests.Points;

public sealed class ExportFilesTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("natalia-export-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_file_is_taken_as_it_is_and_a_folder_gets_a_speaking_name()
    {
        string[] parts = ["natalia-paris", ExportDestination.Stamp(new DateTime(2026, 11, 23, 6, 0, 1, DateTimeKind.Utc)), "scsi1"];

        Assert.Equal(Full("disk.raw"), ExportDestination.GetFile(Full("disk.raw"), parts, ".raw"));
        Assert.Equal(Full("natalia-paris-20261123T060001Z-scsi1.raw"), ExportDestination.GetFile(_folder.FullName, parts, ".raw"));
        Assert.Equal(Full("natalia-paris-data.raw"), ExportDestination.GetFile(_folder.FullName, ["natalia-paris", "data.raw"], ".raw"));
    }

    [Theory]
    [InlineData("../../etc/passwd")]
    [InlineData("..\\..\\windows")]
    [InlineData("a:b")]
    [InlineData("")]
    [InlineData("..")]
    public void No_name_from_outside_leaves_the_folder(string name)
    {
        string file = ExportDestination.GetFile(_folder.FullName, [name, "x"], ".raw");

        Assert.Equal(_folder.FullName, Path.GetDirectoryName(file));
        Assert.DoesNotContain(Path.GetFileName(file), c => c is '/' or '\\' or ':');
    }

    [Fact]
    public void A_file_is_replaced_only_when_that_was_said()
    {
        AtomicFile.Write(Full("a"), [1], overwrite: false);

        Assert.Equal(ErrorIds.DestinationExists, Assert.Throws<NataliaException>(() => AtomicFile.Write(Full("a"), [2], overwrite: false)).ErrorId);
        Assert.Equal([1], File.ReadAllBytes(Full("a")));
        AtomicFile.Write(Full("a"), [3], overwrite: true);
        Assert.Equal([3], File.ReadAllBytes(Full("a")));
        Assert.Equal(["a"], _folder.EnumerateFiles().Select(f => f.Name));
    }

    [Fact]
    public void A_folder_that_is_not_there_is_not_made() =>
        Assert.Equal(ErrorIds.DestinationWriteFailed, Assert.Throws<NataliaException>(() => AtomicFile.Write(Full("no/a"), [1], overwrite: false)).ErrorId);

    private string Full(string name) => Path.Combine(_folder.FullName, name);
}
