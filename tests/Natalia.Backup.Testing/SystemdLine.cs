using System.Globalization;
using System.Text;

namespace Natalia.Backup.Testing;

/// <summary>Command lines of systemd's unit files.</summary>
public static class SystemdLine
{
    /// <summary>A line of ExecStart as systemd takes it apart; after systemd.syntax(7), not after ours.</summary>
    public static List<string> TakeApart(string line)
    {
        var words = new List<string>();
        for (int i = 0; i < line.Length; i++)
        {
            if (line[i] == ' ') continue;
            Assert.Equal('"', line[i++]);
            var word = new StringBuilder();
            for (; line[i] != '"'; i++)
            {
                if (line[i] != '\\')
                {
                    word.Append(line[i]);
                    continue;
                }
                i++;
                if (line[i] == 'x')
                {
                    word.Append((char)int.Parse(line.Substring(i + 1, 2), NumberStyles.HexNumber,
                        CultureInfo.InvariantCulture));
                    i += 2;
                }
                else
                {
                    word.Append(line[i] is '"' or '\\' ? line[i] : throw new FormatException(line));
                }
            }
            string text = word.ToString();
            Assert.DoesNotMatch("(^|[^%])(%%)*%([^%]|$)", text);
            text = text.Replace("%%", "%");
            if (words.Count > 0)
            {
                Assert.DoesNotMatch(@"(^|[^$])(\$\$)*\$([^$]|$)", text);
                text = text.Replace("$$", "$");
            }
            words.Add(text);
        }
        return words;
    }
}
