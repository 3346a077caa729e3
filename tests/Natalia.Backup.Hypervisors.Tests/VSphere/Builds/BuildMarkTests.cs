using Natalia.Backup.Hypervisors.VSphere.Builds;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.Builds;

public sealed class BuildMarkTests
{
    [Theory]
    [InlineData("[ds1] natalia-0123456789abcdef0123456789abcdef", true)]
    [InlineData("[ds1] natalia-0123456789abcdef0123456789abcdef/..", false)]
    [InlineData("[ds1] natalia-0123456789abcdef0123456789abcdef/x", false)]
    [InlineData("[ds1] natalia-", false)]
    [InlineData("[ds1] natalia-paris", false)]
    [InlineData("[ds1] other/natalia-0123456789abcdef0123456789abcdef", false)]
    [InlineData("ds1] natalia-0123456789abcdef0123456789abcdef", false)]
    [InlineData("[ds1]", false)]
    [InlineData("", false)]
    public void Only_the_folder_of_a_building_is_one(string text, bool isOne) =>
        Assert.Equal(isOne, BuildMark.IsFolder(text));

    [Fact]
    public void A_new_folder_is_one() => Assert.True(BuildMark.IsFolder(BuildMark.NewFolder("a store [2]")));
}
