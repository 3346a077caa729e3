using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Engine.Tests.Files;

public sealed class WindowsPathTests
{
    private static readonly string s_long = new('n', 120);

    [Theory]
    [InlineData(@"C:\Exports\data.raw")]
    [InlineData(@"C:/Exports/data.raw")]
    [InlineData(@"\\nas\backup\natalia")]
    [InlineData(@"\\?\C:\Exports\data.raw. ")]
    [InlineData(@"\\?\UNC\nas\backup\NUL")]
    [InlineData(@"\\.\PhysicalDrive1")]
    [InlineData(@"..\.\data.raw")]
    [InlineData(@"C:\")]
    [InlineData("Backups:/paris/")]
    [InlineData(@"Microsoft.PowerShell.Core\FileSystem")]
    [InlineData("console.raw")]
    [InlineData("COM10")]
    [InlineData(" leading.raw")]
    [InlineData("two words. and more.raw")]
    public void A_path_means_what_it_says(string path) => Assert.Null(WindowsPath.Flaw(path));

    [Theory]
    [InlineData(@"C:\Exports\data.raw:hidden", "alternate stream")]
    [InlineData(@"C:\Exports\X:data.raw", "alternate stream")]
    [InlineData(@"\\?\C:\Exports\data.raw:hidden", "alternate stream")]
    [InlineData(@"\\nas\backup\data.raw::$DATA", "alternate stream")]
    [InlineData(@"C:\Exports\data.raw.", "a dot or a blank")]
    [InlineData("C:/Exports./data.raw", "a dot or a blank")]
    [InlineData(@"C:\Exports \data.raw", "a dot or a blank")]
    [InlineData("data.raw ", "a dot or a blank")]
    [InlineData("...", "a dot or a blank")]
    [InlineData(@"C:\Exports\NUL", "a device")]
    [InlineData(@"C:\Exports\nul.raw", "a device")]
    [InlineData(@"C:\Exports\Com1 .raw", "a device")]
    [InlineData("LPT\u00B2", "a device")]
    public void A_path_that_Windows_reads_as_another_one_is_told(string path, string why) =>
        Assert.Contains(why, WindowsPath.Flaw(path), StringComparison.Ordinal);

    [Fact]
    public void Calls_of_Windows_get_long_paths_in_the_form_that_has_no_limit()
    {
        Assert.Equal(@"C:\short/er", WindowsPath.ForCalls(@"C:\short/er"));
        Assert.Equal($@"\\?\C:\a\{s_long}\{s_long}\b", WindowsPath.ForCalls($@"C:\a/{s_long}\{s_long}\b"));
        Assert.Equal($@"\\?\UNC\nas\backup\{s_long}\{s_long}",
            WindowsPath.ForCalls($@"\\nas\backup\{s_long}\{s_long}"));
        string already = $@"\\?\D:\{s_long}\{s_long}\{s_long}";
        Assert.Equal(already, WindowsPath.ForCalls(already));
    }

    [Theory]
    [InlineData(@"\\?\C:\Exports\data.raw", @"C:\Exports\data.raw")]
    [InlineData(@"\\?\UNC\nas\backup", @"\\nas\backup")]
    [InlineData(@"\\?\Volume{6f2c}\x", @"\\?\Volume{6f2c}\x")]
    [InlineData(@"\\nas\backup", @"\\nas\backup")]
    [InlineData(@"C:\Exports", @"C:\Exports")]
    public void People_see_paths_as_they_write_them(string path, string expected) =>
        Assert.Equal(expected, WindowsPath.ForPeople(path));
}
