using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Guests;

namespace Natalia.Backup.Cmdlets.Tests.Guests;

public sealed class GuestCommandLineTests
{
    [Theory]
    [InlineData("/bin/a b  c", "/bin/a|b|c")]
    [InlineData("/bin/a 'b  c' \"d'e\" ''", "/bin/a|b  c|d'e|")]
    [InlineData("/bin/a x'y z'w", "/bin/a|xy zw")]
    [InlineData("/bin/a $HOME;rm", "/bin/a|$HOME;rm")]
    public void One_text_is_split_at_blanks(string text, string arguments) =>
        Assert.Equal(arguments.Split('|'), GuestCommandLine.Parse([text], "Check"));

    [Fact]
    public void A_list_is_taken_as_it_is() =>
        Assert.Equal(["/bin/a", "b c"], GuestCommandLine.Parse(["/bin/a", "b c"], "Check"));

    [Theory]
    [InlineData("")]
    [InlineData("  ")]
    [InlineData("/bin/a 'b")]
    public void What_names_no_program_is_refused(string text) =>
        Assert.Equal(ErrorIds.GuestCommandInvalid,
            Assert.Throws<NataliaException>(() => GuestCommandLine.Parse([text], "Check")).ErrorId);

    [Fact]
    public void Names_in_braces_get_their_values_and_nothing_else_does() =>
        Assert.Equal(["count", "--day=2026-11-27", "{other}"],
            GuestCommandLine.Expand(["count", "--day={day}", "{other}"], ("day", "2026-11-27"), ("zone", "UTC")));
}
