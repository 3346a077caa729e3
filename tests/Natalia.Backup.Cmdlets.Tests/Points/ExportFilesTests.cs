using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Exports;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Points;

public sealed class ExportFilesTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("natalia-export-");

    public void Dispose() => _folder.Delete(recursive: true);

    private const string Id = "0123456789abcdef0123456789abcdef";

    [Fact]
    public void A_file_is_taken_as_it_is_and_a_folder_gets_a_speaking_name()
    {
        string[] parts = ["natalia-paris",
            ExportDestination.Stamp(new DateTime(2026, 11, 23, 6, 0, 1, DateTimeKind.Utc)), "scsi1"];

        Assert.Equal(Full("disk.raw"), ExportDestination.GetFile(Full("disk.raw"), "name.raw"));
        Assert.Equal(Full("name.raw"), ExportDestination.GetFile(_folder.FullName, "name.raw"));
        Assert.Equal("natalia-paris-20261123T060001Z-scsi1.raw", ExportName.Create(parts, ".raw", Id));
        Assert.Equal("natalia-paris-20261123T060001Z-scsi1-01234567.raw",
            ExportName.Create(parts, ".raw", Id, withId: true));
        Assert.Equal("natalia-paris-data.raw", ExportName.Create(["natalia-paris", "data.raw"], ".raw", Id));
    }

    [Theory]
    [InlineData("../../etc/passwd", "_.._etc_passwd-x-01234567.raw")]
    [InlineData("..\\..\\windows", "_.._windows-x-01234567.raw")]
    [InlineData("a:b", "a_b-x-01234567.raw")]
    [InlineData("", "_-x-01234567.raw")]
    [InlineData("..", "_-x-01234567.raw")]
    [InlineData("a. ", "a._-x-01234567.raw")]
    [InlineData("été \U00020000", "été_\U00020000-x-01234567.raw")]
    [InlineData("NUL.txt", "NUL_.txt-x-01234567.raw")]
    public void A_name_from_outside_is_cleaned_and_told_apart_by_its_id(string name, string expected) =>
        Assert.Equal(expected, ExportName.Create([name, "x"], ".raw", Id));

    [Theory]
    [InlineData("con")]
    [InlineData("Com1")]
    [InlineData("lpt9")]
    public void A_device_of_Windows_is_no_name(string name) =>
        Assert.Equal(name + "_-01234567.json", ExportName.Create([name], ".json", Id));

    [Theory]
    [InlineData("\u76D8", 120)]
    [InlineData("a", 300)]
    [InlineData("\U00020000", 100)]
    [InlineData("e\u0301", 200)]
    [WineCannotTell("Wine's names are limited by the UTF-8 of the file system below it")]
    public void A_name_is_as_long_as_file_systems_take_and_holds_no_half_character(string letter, int count)
    {
        string name = ExportName.Create([string.Concat(Enumerable.Repeat(letter, count)), "20261123T060001Z", "scsi1"],
            ".raw", Id);

        AtomicFile.Write(Full(name), [1], overwrite: false);
        Assert.EndsWith("-20261123T060001Z-scsi1-01234567.raw", name, StringComparison.Ordinal);
        Assert.True(name.StartsWith(letter, StringComparison.Ordinal)
            && (name.IndexOf('-', StringComparison.Ordinal) % letter.Length) == 0);
        Assert.Equal([name], _folder.EnumerateFiles().Select(f => f.Name));
    }

    [Fact]
    public void A_file_is_replaced_only_when_that_was_said()
    {
        AtomicFile.Write(Full("a"), [1], overwrite: false);

        Assert.Equal(ErrorIds.DestinationExists,
            Assert.Throws<NataliaException>(() => AtomicFile.Write(Full("a"), [2], overwrite: false)).ErrorId);
        Assert.Equal([1], File.ReadAllBytes(Full("a")));
        AtomicFile.Write(Full("a"), [3], overwrite: true);
        Assert.Equal([3], File.ReadAllBytes(Full("a")));
        Assert.Equal(["a"], _folder.EnumerateFiles().Select(f => f.Name));
    }

    [Fact]
    public void A_folder_that_is_not_there_is_not_made() =>
        Assert.Equal(ErrorIds.DestinationWriteFailed,
            Assert.Throws<NataliaException>(() => AtomicFile.Write(Full("no/a"), [1], overwrite: false)).ErrorId);

    private string Full(string name) => Path.Combine(_folder.FullName, name);
}
