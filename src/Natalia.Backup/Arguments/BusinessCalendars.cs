using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.BusinessDays;

namespace Natalia.Backup.Arguments;

/// <summary>Business calendars as a user names them: the text itself, or a file with it.</summary>
internal static class BusinessCalendars
{
    /// <summary>The calendar's text. Call it on the pipeline thread.</summary>
    /// <param name="session">The session's state, which knows locations and drives.</param>
    /// <param name="text">What the user wrote.</param>
    /// <exception cref="NataliaException"><c>BusinessCalendarNotFound</c>, <c>BusinessCalendarInvalid</c>,
    /// <c>TimeZoneNotFound</c>.</exception>
    internal static string Read(SessionState session, string text)
    {
        bool isOneLine = text.IndexOfAny(['\n', ';']) < 0 && text.Length < 1000;
        if (isOneLine && FindFile(session, text) is string path) text = ReadFile(path);
        else if (isOneLine && LooksLikePath(text))
            throw new NataliaException(ErrorIds.BusinessCalendarNotFound, NataliaErrorKind.NotFound,
                $"There is no file '{text}' with a business calendar.", text, "Check the path.");
        return BusinessCalendar.Parse(text).ToString();
    }

    private static string? FindFile(SessionState session, string text)
    {
        try
        {
            string path = FilePaths.Resolve(session, text);
            return File.Exists(path) ? path : null;
        }
        catch (NataliaException)
        {
            // No path, so it is the text of a calendar, or nothing at all; its reader tells.
            return null;
        }
    }

    private static string ReadFile(string path)
    {
        try
        {
            using var reader = new StreamReader(path);
            char[] buffer = new char[BusinessCalendar.MaximumLength + 1];
            return new string(buffer, 0, reader.ReadBlock(buffer, 0, buffer.Length));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NataliaException(ErrorIds.BusinessCalendarNotFound, NataliaErrorKind.ReadFailed,
                $"The business calendar '{path}' cannot be read: {e.Message}", path, "Check the file and its rights.",
                e);
        }
    }

    /// <summary>"zone: Europe/Paris" is none; "./calendar.txt" and "C:\\calendar.txt" are.</summary>
    private static bool LooksLikePath(string text) =>
        (text.IndexOfAny(['/', '\\']) >= 0 && text.IndexOf(':') is < 0 or 1)
        || text.EndsWith(".txt", StringComparison.OrdinalIgnoreCase);
}
