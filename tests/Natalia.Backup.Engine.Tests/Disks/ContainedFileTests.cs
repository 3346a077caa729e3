using System.Diagnostics;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Disks;

public sealed class ContainedFileTests : IDisposable
{
    private readonly TemporaryFolder _root = new();
    private readonly string _vm;

    public ContainedFileTests()
    {
        _vm = Directory.CreateDirectory(_root["vm"]).FullName;
        Directory.CreateDirectory(Path.Combine(_vm, "disks"));
        Directory.CreateDirectory(_root["outside"]);
        File.WriteAllText(Path.Combine(_vm, "disks", "data.raw"), "inside");
        File.WriteAllText(Path.Combine(_root["outside"], "data.raw"), "secret");
    }

    public void Dispose() => _root.Dispose();

    [Fact]
    public void A_file_is_read_where_it_was_found()
    {
        ContainedFile file = Find("disks/data.raw");

        Assert.Equal("inside", file.ReadText(100).Text);
        using RawDiskSource disk = RawDiskSource.Open(file);
        Assert.Equal(6, disk.SizeBytes);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_link_that_takes_the_place_of_the_file_or_of_its_folder_is_not_followed(bool folder)
    {
        if (OperatingSystem.IsWindows()) return; // Making links there takes a right that tests do not have.
        ContainedFile file = Find("disks/data.raw");
        Directory.Delete(Path.Combine(_vm, "disks"), recursive: true);
        if (folder)
        {
            Directory.CreateSymbolicLink(Path.Combine(_vm, "disks"), _root["outside"]);
        }
        else
        {
            Directory.CreateDirectory(Path.Combine(_vm, "disks"));
            Directory.CreateSymbolicLink(Path.Combine(_vm, "disks", "data.raw"),
                Path.Combine(_root["outside"], "data.raw"));
        }

        Assert.Equal(ErrorIds.PathNotContained,
            Assert.Throws<NataliaException>(() => RawDiskSource.Open(file)).ErrorId);
        Assert.Equal(ErrorIds.PathNotContained, Assert.Throws<NataliaException>(() => file.ReadText(100)).ErrorId);
    }

    [Theory]
    [InlineData("disks/data.raw.")]
    [InlineData("disks/data.raw ")]
    [InlineData("disks./data.raw")]
    [InlineData("disks/NUL")]
    public void A_name_that_Windows_takes_for_another_one_names_no_file(string path) =>
        Assert.Null(ContainedFile.Find(_vm, path, "vm.json"));

    [Theory]
    [InlineData("disks/data.raw")]
    [InlineData("disks\\data.raw")]
    public void A_path_is_shown_in_the_separators_of_the_system(string path) =>
        Assert.Equal(Path.Combine(_vm, "disks", "data.raw"), ContainedFile.Show(_vm, path));

    [Fact]
    public void A_pipe_that_takes_its_place_is_not_waited_for()
    {
        if (!OperatingSystem.IsLinux()) return;
        ContainedFile file = Find("disks/data.raw");
        File.Delete(file.Path);
        using (Process made = Process.Start("mkfifo", [file.Path])) made.WaitForExit();

        Assert.Equal(ErrorIds.DiskFormatNotSupported,
            Assert.Throws<NataliaException>(() => RawDiskSource.Open(file)).ErrorId);
        Assert.Contains("regular file", Assert.Throws<InvalidDataException>(() => file.ReadText(100)).Message,
            StringComparison.Ordinal);
        Assert.Null(file.GetLength());
    }

    [Fact]
    public void A_text_longer_than_any_is_refused_by_its_length_and_by_what_comes()
    {
        using (FileStream huge = File.OpenWrite(Path.Combine(_vm, "huge"))) huge.SetLength(1L << 40);

        Assert.Contains("1099511627776 bytes",
            Assert.Throws<InvalidDataException>(() => Find("huge").ReadText(1000)).Message, StringComparison.Ordinal);
        Assert.Equal(6, Find("disks/data.raw").ReadText(6).Text.Length);
        Assert.Throws<InvalidDataException>(() => Find("disks/data.raw").ReadText(5));
    }

    private ContainedFile Find(string path) => ContainedFile.Find(_vm, path, "a test")!;
}
